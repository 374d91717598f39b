"""Processes that share a database share the search, as jobs on several machines do."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Iterator

import pytest

from common.tuning.choice import choose
from common.tuning.records import State, TrialRecord
from common.tuning.search import Plan, search
from common.tuning.study import open_study, storage_at
from tests.e2e.postgres import Postgres
from tests.unit.test_tuning import Hill, height

pytestmark = pytest.mark.slow

TRIALS = 16


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with Postgres() as server:
        yield server.url


def take_part(url: str, worker: int) -> list[TrialRecord]:
    return search(
        [Hill],
        height,
        Plan(
            name="shared",
            seed=worker,
            deadline=time.monotonic() + 120,
            max_width=256,
            storage_url=url,
            max_trials=TRIALS,
        ),
    )


def test_three_processes_search_together_and_choose_the_same(url: str) -> None:
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        seen = pool.starmap(take_part, [(url, worker) for worker in range(3)])
    everything = take_part(url, 0)
    # Each process may have been in the middle of one when the last was counted.
    assert TRIALS <= len(everything) <= TRIALS + 3
    assert {record.state for record in everything} == {State.DONE}
    assert [record.number for record in everything] == list(range(len(everything)))
    assert all(len(records) >= TRIALS - 3 for records in seen)
    assert choose(everything) == choose(take_part(url, 1))
    assert everything[0].resampled


def test_what_was_enqueued_is_tried_once_by_all_together(url: str) -> None:
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        pool.starmap(take_part, [(url, worker) for worker in range(2)])
    starts = [record for record in take_part(url, 5) if record.params["x"] == 0.9]
    assert 1 <= len(starts) <= 3


def test_another_name_is_another_search(url: str) -> None:
    take_part(url, 0)
    with storage_at(url) as storage:
        assert open_study(storage, "other/hill", 1).trials == []
