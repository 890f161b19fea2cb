"""How a check says that something is wrong."""


class CheckError(Exception):
    """What is wrong, and the remedy, in one line."""
