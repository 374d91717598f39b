"""A process that dies at any step of any commit loses nothing, counts nothing twice and leaves nothing behind.

After the death, what takes the work up in real life (the sweep, the next night, the operator who repeats the command)
must come to the same books as if nothing had happened: the same stored events, the same answers to every question, the
same refused files, no object that nothing names, and nothing of a person who was to be erased.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor

import pytest

from tests.erika import GOODS
from tests.trust.accounts import Account
from tests.trust.aftermath import Aftermath, after_state, after_states, after_steps, machine, undisturbed, workers
from tests.trust.steps import Step, calls_of, states_of, steps_of
from tests.trust.works import WORKS, Work, events_of, work_named

works = pytest.mark.parametrize("work", WORKS, ids=lambda work: work.name.replace(" ", "-"))


@pytest.fixture(scope="module")
def pool() -> Iterator[Executor]:
    with workers() as pool:
        yield pool


@pytest.mark.slow(lane="trust")
@works
def test_a_death_at_any_write_changes_nothing_in_the_end(work: Work, pool: Executor, account: Account) -> None:
    expected = right(work)
    with machine() as directory:
        states = states_of(work.start(), work.on(directory))
    for state, found in zip(states, after_states(pool, work, states), strict=True):
        compare(found, expected, state.step)
        account(deaths=1, events_stored=len(found.books.rows), answers_compared=len(found.books.answers))
    assert len(states) > work.writes, "the work has fewer writes than it should"


@pytest.mark.parametrize(("name", "every"), [("ingest", 6), ("erase", 40)])
def test_a_death_now_and_then(name: str, every: int) -> None:
    """A few of the deaths above, for whoever runs the fast tests only."""
    work = work_named(name)
    expected = right(work)
    with machine() as directory:
        states = states_of(work.start(), work.on(directory))[1::every]
    for state in states:
        compare(after_state(work.name, state.bucket._objects), expected, state.step)
    assert len(states) > 1


@pytest.mark.slow(lane="trust-steps")
@works
def test_a_death_or_a_lost_answer_at_any_call_changes_nothing_in_the_end(
    work: Work, pool: Executor, account: Account
) -> None:
    expected = right(work)
    with machine() as directory:
        steps = list(steps_of(calls_of(work.start(), work.on(directory))))
    for step, found in zip(steps, after_steps(pool, work, steps), strict=True):
        # At another time a work may need a call less, as when a record of its progress is not due.
        if found is not None:
            compare(found, expected, step)
            account(**{step.fault.name.lower(): 1}, events_stored=len(found.books.rows))


def right(work: Work) -> Aftermath:
    """What all is compared with: every event that was sent is stored once, and nothing lies about."""
    expected = undisturbed(work)
    assert expected.left == []
    assert expected.books.rows == events_of(work)
    assert len(expected.books.answers) > len(GOODS)
    return expected


def compare(found: Aftermath, expected: Aftermath, step: Step) -> None:
    assert found.left == [], step
    assert found.books.rows == expected.books.rows, step
    assert found.books.uploads == expected.books.uploads, step
    assert found.books.answers == expected.books.answers, step
