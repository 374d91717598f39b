"""The needs of a shop of a measured size, computed from its row of sizing.json."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from infra.sizing.table import size_of

STORE_BYTES: Final = 500_000_000
"""Memory of SeaweedFS on one host, measured with the demo's shop."""
REST_BYTES: Final = 1_000_000_000
"""Memory of the kernel and of other programs on a host."""
_GIB: Final = 1 << 30
_MISSING: Final = "–"


def needs(row: Mapping[str, Any]) -> dict[str, str]:
    """Returns the needs as text by name. One host has the object store, recommend with its whole bundle in memory, and
    one of the other stages at a time."""
    serving = row["serving"]
    if serving is None:
        return {"memory of one host": _MISSING, "memory of a pod of recommend": _MISSING, "disk of one host": _MISSING}
    recommend = serving["held"]["own_bytes"] + row["bundle_bytes"]
    stage = max(stage["cost"]["own_bytes"] for stage in row["stages"].values())
    host = recommend + stage + STORE_BYTES + REST_BYTES
    return {
        "memory of one host": f"{_next_power(host)} GB",
        "memory of a pod of recommend": size_of(recommend),
        "disk of one host": size_of(row["disk_bytes"]),
    }


def _next_power(count: int) -> int:
    """The next power of two in GiB, as machines are sold."""
    gigabytes = -(-count // _GIB)
    return 1 << (gigabytes - 1).bit_length()
