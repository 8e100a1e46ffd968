"""Exceptions that a command reports in one line, without a traceback."""


class Failure(Exception):
    """Why something could not be done, or is not as it should be."""


class UsageError(Exception):
    """An error of the command line."""
