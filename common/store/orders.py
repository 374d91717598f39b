"""What counts as one order, for uploads and for segments alike."""

from __future__ import annotations

from typing import Final

ORDER_GAP: Final = "INTERVAL 30 MINUTE"
"""SQL. Without an order id, purchases of one person that follow each other within this time are one order."""
