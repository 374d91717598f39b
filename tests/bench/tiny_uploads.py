"""How many tiny uploads a second are taken in: those that wait together, beside the same ones by one event each.

Both sides run in a process of their own that has taken in an upload before, as a function that has been called has. The
uploads are of three rows, an eighth of them items; each repeat has new ones, and the store has no others.
"""

from __future__ import annotations

import secrets
import statistics
from collections.abc import Mapping

from tests.bench.harness import bench
from tests.bench.ingest_sides import run_side
from tests.bench.row import Row

NAME = "ingest: tiny uploads a second"
ROWS = (NAME,)
WAITING, ALONE = 300, 20
_REPEATS = 3
_GOAL = ">= 50 uploads/s"


def rows() -> list[Row]:
    with bench() as made:
        sides = [
            (_side("waiting", WAITING, made.environment), _side("alone", ALONE, made.environment))
            for _ in range(_REPEATS)
        ]
    rate = statistics.median(WAITING / waiting["seconds"] for waiting, _ in sides)
    alone = statistics.median(ALONE / one["seconds"] for _, one in sides)
    peak = max(waiting["peak_bytes"] for waiting, _ in sides)
    value = f"{rate:.0f}/s, {rate / alone:.0f} times as many; {peak / 1e6:.0f} MB at most"
    return [Row(NAME, value, f"{alone:.1f}/s (each by its own event)", None, _GOAL, rate)]


def _side(side: str, uploads: int, environment: Mapping[str, str]) -> dict[str, float]:
    measured = run_side(side, str(uploads), {**environment, "RECSYS_PREFIX": f"{secrets.token_hex(4)}/"})
    assert measured["rows"] == 3 * uploads, measured
    return measured
