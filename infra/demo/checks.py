"""What the demo insists on."""

from __future__ import annotations


class DemoError(Exception):
    """A step did not happen as it should; the message says which and what was there instead."""


def require(condition: bool, otherwise: str) -> None:
    """Raises `DemoError`."""
    if not condition:
        raise DemoError(otherwise)
