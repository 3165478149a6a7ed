"""Printing to files, each time in a process of its own.

The typesetter keeps what it has set in memory for ever, and nothing in Python ends a thread that takes too long: a
process that ends with its document has neither problem, and the service itself carries none of the libraries.
"""
