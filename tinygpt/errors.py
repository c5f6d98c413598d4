"""Errors caused by the input or the request, not by a mistake in the code."""


class BadInput(ValueError):
    """A file, a number or a combination of options that cannot work.

    The message is one sentence for the user: what is wrong, where, and what to do about it. The command prints it on
    stderr and exits with status 2; a caller in Python may catch it as a ValueError.
    """


class MissingExtra(BadInput):
    """An optional package is needed but not installed; the message names the extra to install."""
