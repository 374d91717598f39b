"""An erasure against everybody who writes at the same time: whatever the order of their operations, in the end one
consistent version is served, nobody else has lost anything, and of the person no byte is left."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path

import pytest

from common.bucket.cache import FileCache
from common.bucket.faults import FaultyBucket
from common.usecases.compact import compact
from common.usecases.context import Context
from common.usecases.erasure.erase import erase
from common.usecases.ingest import drain, ingest_object
from common.usecases.update import update
from tests.erika import ERIKA, GOODS, OTHERS, bought, everybody, filled_bucket, history_of
from tests.memory import memory_context
from tests.property.stepping import Stepper
from tests.store.shop import events_csv, rows_of
from tests.stored import fit, publish, read_served, served_document, stored_document
from tests.traces import traces_of

UPLOAD = "incoming/events/again.csv"
AGAIN = [*everybody(), *bought(ERIKA, GOODS[:5], 60), *bought(OTHERS[2], GOODS[:5], 60)]


@pytest.mark.parametrize("seed", [1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 60))])
def test_everybody_writes_while_somebody_is_erased(seed: int, tmp_path: Path) -> None:
    rng = random.Random(seed)
    ctx = memory_context(tmp_path, FaultyBucket(filled_bucket()))
    ctx.bucket.put(UPLOAD, events_csv(*AGAIN))
    history, before = history_of(ctx, ERIKA), rows_of(ctx, OTHERS)
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
    assert traces_of(ctx, ERIKA, history, tmp_path) == []
    assert served_document(ctx).erasure == stored_document(ctx).erasure == 1
    assert len(read_served(ctx).people) == len(OTHERS)
    added = [row for row in rows_of(ctx, OTHERS) if row not in before]
    assert sorted(row[:2] for row in added) == [(OTHERS[2], item) for item in sorted(GOODS[:5])]
    assert [row for row in before if row[0] != "somebody"] == [row for row in rows_of(ctx, OTHERS) if row not in added]


def _started(ctx: Context, directory: Path, model: tuple[object, int], rng: random.Random) -> list[Stepper[object]]:
    """Each on a machine of its own: what one has locked on a disk would stop the others unseen."""
    assert isinstance(ctx.bucket, FaultyBucket)
    works = {
        "ingest": lambda own: ingest_object(own, UPLOAD),
        "update": update,
        "train": lambda own: publish(own, *model),
        "compact": compact,
        "erase": lambda own: erase(own, [ERIKA]),
    }

    def machine(name: str) -> Context:
        settings = ctx.settings.model_copy(update={"cache_dir": directory / name})
        cache = FileCache(directory / name, 1 << 30)
        return replace(ctx, shop=replace(ctx.shop, settings=settings), cache=cache)

    def stepper(name: str) -> Stepper[object]:
        own = machine(name)
        return Stepper(ctx.bucket, lambda bucket: works[name](replace(own, bucket=bucket)))

    names = list(works)
    rng.shuffle(names)
    return [stepper(name) for name in names]
