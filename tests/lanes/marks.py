"""Which lane a slow test is in: `@pytest.mark.slow(lane="…")`."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from tests.lanes.table import Lane

COLLECTED = pytest.StashKey[list[pytest.Item]]()
"""Every test of this run, those included that its marker expression leaves out."""


def misplaced(items: Iterable[pytest.Item], lanes: Iterable[Lane]) -> list[str]:
    """One line for each slow test that is not in exactly one lane that runs marked tests."""
    marked = {lane.name for lane in lanes if lane.marker}
    faults = []
    for item in items:
        named = {mark.kwargs.get("lane", "none") for mark in item.iter_markers("slow")}
        if len(named) > 1 or not named <= marked:
            faults.append(f"{item.nodeid}: in lane {', '.join(sorted(named))}")
    return faults
