"""What goes wrong on this side of the guest."""


class Failure(Exception):
    """Why there is no guest, or why it ended early."""


class UsageError(Exception):
    """What makes no sense in what was asked for."""
