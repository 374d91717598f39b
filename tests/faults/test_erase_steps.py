"""An erasure that stops after each of its operations on the bucket in turn, and is taken up by the sweep."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from common.errors import UnavailableError
from common.testing.faults import Fault, ProcessKilled
from common.usecases.erase.erase import erase
from common.usecases.ingest.ingest import drain, ingest_object
from common.usecases.shared.context import Context
from tests.erika import ERIKA, OTHERS, filled_bucket, history_of
from tests.faults.test_ingest_steps import Counting
from tests.memory import memory_context
from tests.store.shop import csv_of, keys_under
from tests.stored import read_served, served_document
from tests.traces import traces_of

KEY = "incoming/erasures/list.csv"


def by_upload(ctx: Context) -> None:
    ctx.bucket.put(KEY, csv_of("user_id", ERIKA))
    ingest_object(ctx, KEY)


def by_command(ctx: Context) -> None:
    erase(ctx, [ERIKA])


def is_interrupted(ctx: Context, work: Callable[[Context], None], turn: int, fault: Fault) -> bool:
    """Whether the call got so far as to be interrupted at its operation number `turn`."""
    counting = Counting(ctx.bucket)
    counting.at(turn, fault)
    try:
        work(replace(ctx, bucket=counting))
    except (ProcessKilled, UnavailableError):
        return True
    return counting.turn <= 0


@pytest.mark.parametrize(
    ("work", "first", "every", "fault"),
    [
        pytest.param(by_upload, 40, 70, Fault.CRASH_AFTER, id="now and then"),
        pytest.param(by_upload, 2, 1, Fault.CRASH_AFTER, id="upload-closely", marks=pytest.mark.slow(lane="erase")),
        pytest.param(by_command, 2, 1, Fault.CRASH_AFTER, id="command-closely", marks=pytest.mark.slow(lane="erase")),
        pytest.param(by_upload, 2, 1, Fault.LOST_ANSWER, id="answers-lost", marks=pytest.mark.slow(lane="erase")),
        # Before: the look at the key, and the request. Whom no request names, nobody has promised to erase.
        pytest.param(by_command, 3, 1, Fault.FAIL_BEFORE, id="store-away", marks=pytest.mark.slow(lane="erase")),
    ],
)
def test_wherever_it_stops_the_sweep_ends_it(
    tmp_path: Path, work: Callable[[Context], None], first: int, every: int, fault: Fault
) -> None:
    for turn in range(first, 600, every):
        ctx = memory_context(tmp_path / str(turn), filled_bucket())
        history = history_of(ctx, ERIKA)
        if not is_interrupted(ctx, work, turn, fault):
            break
        drain(ctx)
        assert traces_of(ctx, ERIKA, history, tmp_path) == [], turn
        assert len(read_served(ctx).people) == len(OTHERS), turn
        assert served_document(ctx).erasure == 1, turn
        assert keys_under(ctx, "incoming/erasures/") == keys_under(ctx, "erasures/requests/") == [], turn
        assert keys_under(ctx, "erasures/receipts/"), turn
    assert turn > 100, "the call has fewer operations than it should"
