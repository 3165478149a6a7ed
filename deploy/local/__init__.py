"""The local stack: every process of Hamkor on this machine under one supervisor, with engines from packages.

`Stack` is the door; `hamkor up`, `hamkor demo --headless` and the end-to-end tests all go through it.
"""
