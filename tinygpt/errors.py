"""Errors caused by the input or the request, not by a mistake in the code."""

from numbers import Integral


class BadInput(ValueError):
    """A file, a number or a combination of options that cannot work.

    The message is one sentence for the user: what is wrong, where, and what to do about it. The command prints it on
    stderr and exits with status 2; a caller in Python may catch it as a ValueError.
    """


class MissingExtra(BadInput):
    """An optional package is needed but not installed; the message names the extra to install."""


def require_whole(name: str, value: object, least: int) -> None:
    """Raises BadInput unless the argument `name` is a whole number, of Python or of NumPy, and at least `least`."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < least:
        raise BadInput(f"{name} must be a whole number of at least {least}, not {value!r}")
