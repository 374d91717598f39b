"""Writes the fossil of the present formats: a shop's bucket with one of everything that a bucket can hold.

The key of the pseudonyms is that of `tests.memory`.
"""

from __future__ import annotations

import zipfile
from pathlib import Path
from tempfile import TemporaryDirectory

from common.schemas.erasure import ErasureRequest
from common.usecases.erase.erase import erase
from common.usecases.shared.context import Context
from common.usecases.train.train import TrainOptions, train
from common.usecases.update.update import update
from tests.erika import ERIKA, GOODS, ITEMS, OTHERS, bought, everybody
from tests.fossils import CURRENT
from tests.memory import memory_context
from tests.store.shop import csv_of, events_csv, everything_in, ingest

ASKED_FOR = OTHERS[2]
"""Whose erasure is asked for and not carried out yet."""

NEWCOMER = "a newcomer"
"""Who is in the delta layer only."""

DELTA_ITEM = "cake-0"
"""What only the newest batch describes."""


def fill(ctx: Context) -> None:
    quick = TrainOptions(families=("als",), evaluate=False)
    ingest(ctx, "items/items.csv", ITEMS)
    ingest(ctx, "events/first.csv", events_csv(*everybody()))
    train(ctx, quick)
    ingest(ctx, "events/second.csv", events_csv(*bought(OTHERS[0], GOODS[:2], 40), *bought(ERIKA, GOODS[6:8], 40)))
    train(ctx, quick)
    erase(ctx, [ERIKA])
    ingest(ctx, "items/cakes.csv", csv_of("item_id,category,brand,price,img_url", f"{DELTA_ITEM},cake,b,5,"))
    bad_row = "somebody,tea-1,2026-01-01,0"
    ingest(ctx, "events/delta.csv", events_csv(*bought(NEWCOMER, (*GOODS[:3], DELTA_ITEM), 50), bad_row))
    update(ctx)
    ingest(ctx, "events/refused.csv", csv_of("nothing,known", "1,2"))
    person = ctx.shop.pseudonymizer.user_key(ASKED_FOR).hex()
    request = ErasureRequest(requested_at=ctx.now(), people=(person,))
    ctx.bucket.put(ctx.keys.erasure_request("asked-for"), request.model_dump_json().encode())


def make(path: Path) -> None:
    with TemporaryDirectory() as directory:
        ctx = memory_context(Path(directory))
        fill(ctx)
        objects = everything_in(ctx)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED, compresslevel=9) as archive:
        for key in sorted(objects):
            archive.writestr(zipfile.ZipInfo(key), objects[key], zipfile.ZIP_DEFLATED, 9)


if __name__ == "__main__":
    make(CURRENT)
