"""Starting whole stacks in tests: the supervisor with stand-in services, and the real thing in a folder of its own."""
