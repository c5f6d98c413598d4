"""What goes wrong because of what was asked, rather than because of a mistake in the code."""


class BadInput(ValueError):
    """A file, a number or a combination that cannot work.

    The message is one sentence for the person who asked: what was wrong, where, and what to do. The command
    prints it on stderr and exits with status 2; a caller in Python may catch it as a ValueError.
    """


class MissingExtra(BadInput):
    """An optional package is needed and not installed; the message names the extra to install."""
