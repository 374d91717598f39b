"""Ingest that stops after each of its operations on the bucket in turn, and is called again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import UnavailableError
from common.testing.faults import Fault, FaultyBucket, ProcessKilled
from common.usecases.ingest.ingest import drain, ingest_object
from common.usecases.shared.context import Context
from tests.memory import memory_context
from tests.store.shop import events_csv, everything_in, ingest, keys_under, refilled, rows_of

STORED = events_csv("u,a,2026-01-01,1", "u,b,2026-01-02,1")
UPLOAD = events_csv("u,b,2026-01-02,1", "v,c,2026-01-03,1", "w,d,2026-01-03,1", "w,d,2026-01-03,0")
KEY = "incoming/events/new.csv"


class Counting(FaultyBucket):
    """Applies `fault` to the operation whose turn it is, whatever it is."""

    def at(self, turn: int, fault: Fault) -> None:
        self.turn, self.fault = turn, fault

    def _fault(self, operation: str, key: str) -> Fault | None:
        self.turn -= 1
        return self.fault if self.turn == 0 else None


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """A shop with two events stored and an upload that waits."""
    shop = memory_context(tmp_path_factory.mktemp("stored"))
    ingest(shop, "events/stored.csv", STORED)
    return {**everything_in(shop), KEY: UPLOAD}


def interrupted(shop: Context, turn: int, fault: Fault) -> bool:
    """Whether the call got so far as to be interrupted at its operation number `turn`."""
    bucket = Counting(shop.bucket)
    bucket.at(turn, fault)
    try:
        ingest_object(replace(shop, bucket=bucket), KEY)
    except (ProcessKilled, UnavailableError):
        return True
    return bucket.turn <= 0


SLOW = [pytest.param(fault, marks=pytest.mark.slow(lane="trust")) for fault in (Fault.LOST_ANSWER, Fault.FAIL_BEFORE)]


@pytest.mark.parametrize("fault", [Fault.CRASH_AFTER, *SLOW])
def test_wherever_it_stops_the_next_call_has_counted_everything_once(
    tmp_path: Path, objects: dict[str, bytes], fault: Fault
) -> None:
    for turn in range(1, 100):
        shop = refilled(memory_context(tmp_path / str(turn)), objects)
        if not interrupted(shop, turn, fault):
            break
        drain(shop)
        rows = [row[:2] for row in rows_of(shop, "uvw")]
        assert rows == [("u", "a"), ("u", "b"), ("v", "c"), ("w", "d")], turn
        assert keys_under(shop, "incoming/") == [], turn
        assert len(keys_under(shop, "quarantine/")) == 2, turn
    assert turn > 12, "the call has fewer operations than it should"
