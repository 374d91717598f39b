"""Two erasures against everybody who writes at the same time: whatever the order of their operations, in the end one
consistent version is served, nobody else has lost anything, and of the two people no byte is left."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from common.bucket.cache import FileCache
from common.models.artifact import Artifact
from common.testing.faults import FaultyBucket
from common.usecases.erase.erase import erase
from common.usecases.ingest.compact import compact
from common.usecases.ingest.ingest import drain, ingest_object
from common.usecases.shared.context import Context
from common.usecases.update.update import update
from tests.erika import ERIKA, GOODS, OTHERS, bought, everybody, filled_bucket, history_of
from tests.memory import memory_context
from tests.property.stepping import Stepper
from tests.store.shop import events_csv, rows_of
from tests.stored import fit, publish, read_served, served_document, stored_document
from tests.traces import traces_of

OTTO = OTHERS[7]
STAYING = tuple(user for user in OTHERS if user != OTTO)
UPLOAD = "incoming/events/again.csv"
AGAIN = [*everybody(), *bought(ERIKA, GOODS[:5], 60), *bought(OTHERS[2], GOODS[:5], 60)]


SEEDS = range(1, 60)


@pytest.mark.slow(lane="erase")
@pytest.mark.parametrize("seed", SEEDS)
def test_everybody_writes_while_somebody_is_erased(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    ctx = memory_context(tmp_path, FaultyBucket(filled_bucket()))
    ctx.bucket.put(UPLOAD, events_csv(*AGAIN))
    histories, before = [(user, history_of(ctx, user)) for user in (ERIKA, OTTO)], rows_of(ctx, STAYING)
    model = fit(ctx)
    works = _started(ctx, tmp_path, model, rng)
    while running := [work for work in works if not work.finished]:
        work = rng.choice(running)
        for _ in range(rng.choice((1, 1, 1, 5, 30))):
            if not work.finished:
                work.step()
    assert [work.outcome for work in works if isinstance(work.outcome, BaseException)] == []
    drain(ctx)
    update(ctx)
    for user, history in histories:
        assert traces_of(ctx, user, history, tmp_path) == []
    assert served_document(ctx).erasure == stored_document(ctx).erasure == 2
    assert len(read_served(ctx).people) == len(STAYING)
    after = rows_of(ctx, STAYING)
    added = [row for row in after if row not in before]
    assert sorted(row[:2] for row in added) == [(OTHERS[2], item) for item in sorted(GOODS[:5])]
    assert [row for row in before if row[0] != "somebody"] == [row for row in after if row not in added]


@pytest.mark.parametrize("name", ["ingest", "compact"])
def test_a_segment_that_comes_too_late_goes_with_its_writer(name: str, tmp_path: Path) -> None:
    """The erasure comes between the writer's look at the store and the file that it makes of it."""
    rehearsal, operations = _alone(tmp_path / "rehearsal", name)[1], []
    while not rehearsal.finished:
        operations.append(rehearsal.operation)
        rehearsal.step()
    ctx, work = _alone(tmp_path / "shop", name)
    # The last document is the store's. Between the file and the document it looks for the mark of an erasure.
    for _ in range(_last_of(operations, "put_if") - 2):
        work.step()
    assert work.operation == "put"
    erase(ctx, [ERIKA])
    work.finish()
    assert not isinstance(work.outcome, BaseException)
    assert traces_of(ctx, ERIKA, [], tmp_path) == []


def _last_of(operations: list[str], operation: str) -> int:
    return max(place for place, other in enumerate(operations) if other == operation)


def _alone(directory: Path, name: str) -> tuple[Context, Stepper[object]]:
    ctx = memory_context(directory, FaultyBucket(filled_bucket()))
    if name == "ingest":
        ctx.bucket.put(UPLOAD, events_csv(*AGAIN))
    return ctx, _work(ctx, directory, name, WRITERS[name])


WRITERS: dict[str, Callable[[Context], object]] = {
    "ingest": lambda own: ingest_object(own, UPLOAD),
    "update": update,
    "compact": compact,
    "erase": lambda own: erase(own, [ERIKA]),
    "erase another": lambda own: erase(own, [OTTO]),
}


def _started(ctx: Context, directory: Path, model: tuple[Artifact, int], rng: random.Random) -> list[Stepper[object]]:
    works = {**WRITERS, "train": lambda own: publish(own, *model)}
    names = list(works)
    rng.shuffle(names)
    return [_work(ctx, directory, name, works[name]) for name in names]


def _work(ctx: Context, directory: Path, name: str, work: Callable[[Context], object]) -> Stepper[object]:
    """On a machine of its own: what one has locked on a disk would stop the others unseen."""
    assert isinstance(ctx.bucket, FaultyBucket)
    settings = ctx.settings.model_copy(update={"cache_dir": directory / name})
    cache = FileCache(directory / name, 1 << 30)
    own = replace(ctx, shop=replace(ctx.shop, settings=settings), cache=cache)
    return Stepper(ctx.bucket, lambda bucket: work(replace(own, bucket=bucket)))
