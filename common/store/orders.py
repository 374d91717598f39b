"""The definition of an order by time, for uploads and segments."""

from __future__ import annotations

from typing import Final

ORDER_GAP: Final = "INTERVAL 30 MINUTE"
"""SQL interval. Without order ids, purchases of one person with at most this time between two are one order."""
