"""The command line `hamkor`: each command is a module with `register(app)`."""
