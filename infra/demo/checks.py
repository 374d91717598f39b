"""The demo's checks of its own steps."""

from __future__ import annotations


class DemoError(Exception):
    """A step failed; the message says which, and what happened instead."""


def require(condition: bool, otherwise: str) -> None:
    """Raises `DemoError` with the message `otherwise` if `condition` is false."""
    if not condition:
        raise DemoError(otherwise)
