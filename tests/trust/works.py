"""The commits of the product, each as a piece of work on a shop that is ready for it, and how it is taken up again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from common.bucket.port import Bucket
from common.bucket.probe import prove_conditional_put
from common.testing.memory import MemoryBucket
from common.usecases.erase.erase import erase, forget_tombstones
from common.usecases.ingest.compact import compact
from common.usecases.ingest.ingest import drain, ingest_object
from common.usecases.operate.sweep import sweep
from common.usecases.shared.context import Context
from common.usecases.shared.manifests import read_history
from common.usecases.train.train import TrainOptions, train
from common.usecases.update.update import update
from tests.erika import ERIKA, GOODS, OTHERS, bought, filled_bucket, sent
from tests.memory import SETTINGS, memory_context
from tests.store.shop import csv_of, events_csv, ingest, keys_under
from tests.stored import fit, publish, rollback, served_document
from tests.trust.ledger import Row

UPLOAD: Final = "incoming/events/new.csv"
CATALOGUE: Final = "incoming/items/new.csv"
ERASURES: Final = "incoming/erasures/list.csv"
NEW: Final = (*bought("new one", GOODS[:4], 60), *bought(OTHERS[2], GOODS[8:11], 60))
REPEATED: Final = tuple(bought(OTHERS[0], GOODS[:2], 40))
"""Events that the shop has already."""
ITEM_COLUMNS: Final = "item_id,category,brand,price,img_url"
BAD: Final = ("new two,tea-1,2026-03-01,0",)
QUICK: Final = TrainOptions(families=("als",), evaluate=False)


@dataclass(frozen=True)
class Work:
    """`prepare` puts what the work is about into the shop, `do` is the work, `again` what takes it up after a death.

    `sends` are the events of its uploads, `forgets` says that nothing of `ERIKA` may be left afterwards, and `writes`
    is the number of writes that it has at least, so that a work that has become empty is seen.
    """

    name: str
    prepare: Callable[[Context], object]
    do: Callable[[Context], object]
    again: Callable[[Context], object]
    writes: int
    sends: tuple[str, ...] = ()
    settings: tuple[tuple[str, object], ...] = ()
    forgets: bool = False

    def context(self, directory: Path, bucket: Bucket) -> Context:
        return memory_context(directory, bucket, **dict(self.settings))

    def start(self) -> MemoryBucket:
        """A shop that is ready for the work."""
        return _ready(self.name).copy()

    def on(self, directory: Path) -> Callable[[Bucket], object]:
        """The work on a bucket, as a process on a machine whose cache is under `directory` does it."""
        return lambda bucket: self.do(self.context(directory, bucket))


@cache
def _ready(name: str) -> MemoryBucket:
    bucket, work = filled_bucket(), work_named(name)
    with TemporaryDirectory() as directory:
        ctx = work.context(Path(directory), bucket)
        prove(ctx)
        work.prepare(ctx)
    return bucket


def prove(ctx: Context) -> None:
    prove_conditional_put(ctx.bucket, ctx.keys, SETTINGS["RECSYS_S3_ENDPOINT"])


def _upload(ctx: Context) -> None:
    ctx.bucket.put(UPLOAD, events_csv(*NEW, *REPEATED, *BAD))


def _catalogue(ctx: Context) -> None:
    rows = (f"{item},new {item[:3]},b,7,,{item}" for item in (*GOODS[:3], "tea-new"))
    ctx.bucket.put(CATALOGUE, csv_of(f"{ITEM_COLUMNS},title", *rows))


def _erasures(ctx: Context) -> None:
    ctx.bucket.put(ERASURES, csv_of("user_id", ERIKA))


def _tiny_ones(ctx: Context) -> None:
    """What `_upload` puts, in pieces, and products: some rows twice, a bad one, an upload of which nothing is new, and
    one of which nothing is good."""
    pieces = [NEW[:2], NEW[1:4], (*NEW[4:], *BAD), REPEATED, BAD]
    for number, rows in enumerate(pieces):
        ctx.bucket.put(f"{ctx.keys.incoming_events}tiny-{number}.csv", events_csv(*rows))
    for number, price in enumerate((7, 8)):
        row = f"{GOODS[number]},new,b,{price},,again", f"{GOODS[0]},newer,b,{price},,{number}"
        ctx.bucket.put(f"{ctx.keys.incoming_items}tiny-{number}.csv", csv_of(f"{ITEM_COLUMNS},title", *row))


def _everything(ctx: Context) -> None:
    for prepare in (_upload, _catalogue, _erasures):
        prepare(ctx)


def _taken_in(ctx: Context) -> None:
    ingest(ctx, "events/new.csv", events_csv(*NEW))


def _nothing(ctx: Context) -> None:
    """The shop is ready as it is."""


def _train_again(ctx: Context) -> None:
    """The next night."""
    train(ctx, QUICK)
    sweep(ctx)


def _roll_back_again(ctx: Context) -> None:
    """The operator looks at what is served, and repeats the command if the later model still is."""
    document = served_document(ctx)
    versions = read_history(ctx, document).readable
    if any(bundle.model.trained_at < document.bundle.model.trained_at for _, bundle in versions):
        rollback(ctx)
    sweep(ctx)


def _erase_again(ctx: Context) -> None:
    """The sweep ends what was promised. The operator whose command left no receipt repeats it."""
    sweep(ctx)
    if not keys_under(ctx, "erasures/receipts/"):
        erase(ctx, [ERIKA])


def _forget_again(ctx: Context) -> None:
    forget_tombstones(ctx, [ERIKA])
    sweep(ctx)


def _erased(ctx: Context) -> None:
    erase(ctx, [ERIKA])


def _refused(ctx: Context) -> None:
    ctx.bucket.put(UPLOAD, csv_of("user_id,item_id", f"{OTHERS[0]},tea-1"))


def _publish_again(ctx: Context) -> None:
    """Of the next night."""
    publish(ctx, *fit(ctx))
    sweep(ctx)


def _compact_again(ctx: Context) -> None:
    compact(ctx)
    sweep(ctx)


def _prove_again(ctx: Context) -> None:
    prove(ctx)
    sweep(ctx)


WORKS: Final = (
    Work("ingest", _upload, lambda ctx: ingest_object(ctx, UPLOAD), sweep, 11, NEW),
    Work("ingest items", _catalogue, lambda ctx: ingest_object(ctx, CATALOGUE), sweep, 9),
    Work("ingest together", _tiny_ones, drain, sweep, 25, NEW),
    Work("refuse a file", _refused, lambda ctx: ingest_object(ctx, UPLOAD), sweep, 7),
    Work("update", _taken_in, update, sweep, 25, NEW),
    Work("update and fold", _taken_in, update, sweep, 45, NEW, (("max_layers", 1),)),
    Work("compact", _nothing, compact, _compact_again, 2),
    Work("train", _taken_in, lambda ctx: train(ctx, QUICK), _train_again, 50, NEW),
    Work("publish", _taken_in, lambda ctx: publish(ctx, *fit(ctx)), _publish_again, 30, NEW),
    Work("roll back", _taken_in, rollback, _roll_back_again, 20, NEW),
    Work("erase", _nothing, lambda ctx: erase(ctx, [ERIKA]), _erase_again, 80, forgets=True),
    Work("erase by upload", _erasures, lambda ctx: ingest_object(ctx, ERASURES), sweep, 80, forgets=True),
    Work("forget a tombstone", _erased, lambda ctx: forget_tombstones(ctx, [ERIKA]), _forget_again, 2, forgets=True),
    Work("set up", _nothing, prove, _prove_again, 20),
    Work("sweep", _everything, sweep, sweep, 140, NEW, forgets=True),
)


def events_of(work: Work) -> list[Row]:
    """What is to be stored in the end: each event that was sent once, those of an erased person left out."""
    lines = {line for upload in (*sent(), work.sends) for line in upload}
    rows = (row_of(line) for line in lines if not (work.forgets and line.startswith(f"{ERIKA},")))
    return sorted(rows, key=str)


def row_of(line: str) -> Row:
    """How an event that was sent is read back."""
    user, item, moment, qty = line.split(",")
    return user, item, int(datetime.fromisoformat(moment).timestamp()), float(qty), "purchase"


def work_named(name: str) -> Work:
    return next(work for work in WORKS if work.name == name)
