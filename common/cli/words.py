"""Figures as people say them."""

from __future__ import annotations

from datetime import datetime
from typing import Final

_AGES: Final = (("day", 86_400), ("hour", 3_600), ("minute", 60))
_SIZES: Final = (("GB", 10**9), ("MB", 10**6), ("kB", 10**3))


def ago(moment: datetime, now: datetime) -> str:
    """`3 hours ago`, in the largest unit of which there are two, and `just now` under two minutes."""
    seconds = (now - moment).total_seconds()
    for unit, length in _AGES:
        if seconds >= 2 * length:
            return f"{seconds // length:,.0f} {unit}s ago"
    return "just now"


def size(count: int) -> str:
    """`1.2 MB`, of 10^6 bytes."""
    for unit, length in _SIZES:
        if count >= length:
            return f"{count / length:,.1f} {unit}"
    return f"{count} bytes"
