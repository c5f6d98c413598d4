"""`tinygpt fetch`: a model that others have trained."""

from __future__ import annotations

from shlex import quote

from ..interop import fetch


def fetch_command(name: str, out: str | None) -> None:
    """Downloads the model and says what to do with it. Raises BadInput where it cannot."""
    directory = fetch(name, out)
    print(f"{directory} is complete, and its checksums are right. ", end="")
    print(f"Next: tinygpt generate {quote(str(directory))} --prompt 'The '")
