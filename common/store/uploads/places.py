"""Places: where several uploads are read as one, the number of a row holds the place of its upload among them.

The place of a single upload is 0, so that its rows have their own numbers."""

from __future__ import annotations

from typing import Final

_BITS: Final = 32

PLACE: Final = f"(row >> {_BITS})"
"""SQL of the place of a row's upload, from its number `row`."""

ROW: Final = f"(row & {(1 << _BITS) - 1})"
"""SQL of the row's number in its own upload."""


def before(place: int) -> int:
    """The number before the first row of the upload at this place."""
    return place << _BITS


def place_of(row: str) -> str:
    """SQL of the place of a row whose number is the SQL `row`."""
    return f"({row} >> {_BITS})"
