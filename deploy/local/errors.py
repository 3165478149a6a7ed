"""What can stop the local stack, said so that a person knows what to do."""


class StackError(Exception):
    """The stack can't start or go on; the text is one clear sentence, with the remedy."""


class AlreadyRunning(StackError):
    """Another supervisor holds the folder."""


class PortTaken(StackError):
    """A port that was asked for by name is in use."""


class ProcessFailed(StackError):
    """A process ended, or didn't become ready, at start."""
