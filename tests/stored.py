"""A store that tests fill without ingest, and what is served of it, read back by ids."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from common.bucket.commit import NewFile, Proposal, commit
from common.bucket.current import CurrentFile, Snapshot
from common.ids import UserKey, join_user_key, split_user_key
from common.models.artifact import Artifact
from common.models.base import FitOptions, TrainingData
from common.models.registry import make
from common.schemas.data import EVENT_TYPES, F32, REGULAR_PRICE
from common.schemas.documents import Bundle, DueSettings, ServingDocument, StoreDocument
from common.serving.bundle import ServedBundle, open_bundle
from common.store.engine import connect_trusted
from common.store.segments.reader import open_store
from common.store.segments.segment import SegmentFile, finish, new_segment
from common.usecases.publish import rollback as publish_rollback
from common.usecases.publish.publish import ServingChoices
from common.usecases.shared.context import Context
from common.usecases.shared.runs import start_run
from common.usecases.train.publish_model import publish_model
from common.usecases.update.update import bring_up_to_date
from tests.shops import NOON, Event

MEMORY = 256 << 20


@dataclass(frozen=True)
class Item:
    item_id: str
    category: str = "things"
    brand: str = "acme"
    price: float = 10.0
    available: bool = True
    regular_price: float | None = None
    title: str = ""


def add_batch(ctx: Context, events: Iterable[Event] = (), items: Iterable[Item] = ()) -> StoreDocument:
    """Commits one batch to the store, as ingest would."""
    with TemporaryDirectory() as directory:
        made = _write_segment(ctx, list(events), list(items), Path(directory))
        store = CurrentFile(ctx.bucket, ctx.keys.store_current, StoreDocument)

        def change(snapshot: Snapshot[StoreDocument]) -> Proposal:
            stored = snapshot.document
            seq, deltas = (stored.next_seq, stored.deltas) if stored else (1, ())
            entry = made.entry(ctx.keys.store_delta, seq, [])
            older = stored.carried() if stored else {}
            fields = {**older, "next_seq": seq + 1, "deltas": (*deltas, entry)}
            return Proposal(fields, (NewFile(entry.file.key, made.path),))

        document = commit(store, change, now=ctx.now)
        assert document is not None
        return document


def _write_segment(ctx: Context, events: list[Event], items: list[Item], directory: Path) -> SegmentFile:
    path = directory / "segment.duckdb"
    users = sorted({event.user for event in events if event.user})
    item_ids = sorted({event.item for event in events})
    connection = connect_trusted(directory, MEMORY)
    new_segment(connection, "made", path, len(events))
    for number, user in enumerate(users):
        keys = split_user_key(ctx.shop.pseudonymizer.user_key(user))
        connection.execute("INSERT INTO made.users VALUES (?, ?, ?)", [number, *keys])
    for number, item_id in enumerate(item_ids):
        connection.execute("INSERT INTO made.item_ids VALUES (?, ?)", [number, item_id])
    for event in sorted(events, key=lambda event: event.day):
        connection.execute(
            "INSERT INTO made.events VALUES (?, ?, make_timestamp(?), ?, ?, NULL, ?, NULL, NULL)",
            [
                users.index(event.user) if event.user else None,
                item_ids.index(event.item),
                round((NOON + event.day * 86_400) * 1_000_000),
                event.qty,
                EVENT_TYPES.index(event.kind),
                event.session if event.session >= 0 else None,
            ],
        )
    now = datetime.now(UTC).replace(tzinfo=None)
    for item in items:
        extra = {} if item.regular_price is None else {REGULAR_PRICE: str(item.regular_price)}
        row = [item.item_id, item.category, item.brand, item.price, "", item.title, "", "EUR", item.available]
        connection.execute(
            "INSERT INTO made.items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, ?, ?, ?, NULL)",
            [*row, json.dumps(extra), now, now],
        )
    made = finish(connection, "made", path)
    connection.close()
    return made


def stored_document(ctx: Context) -> StoreDocument:
    document = CurrentFile(ctx.bucket, ctx.keys.store_current, StoreDocument).read().document
    assert document is not None
    return document


def fit(ctx: Context, family: str = "als") -> tuple[Artifact, int]:
    """A model of all that is stored, and the newest batch in it."""
    document = stored_document(ctx)
    with (
        TemporaryDirectory() as work,
        open_store(document, lambda ref: ctx.cache.fetch(ctx.bucket, ref), Path(work)) as reader,
    ):
        data = TrainingData(reader.interactions(), reader.catalogue())
    now_s = int(data.interactions.ts[-1])
    model = make(family, {"factors": 64, "regularization": 1.0} if family == "als" else {})
    return model.fit(data, FitOptions(seed=1, threads=1, now_s=now_s)), document.seq


def publish(ctx: Context, artifact: Artifact, covers_seq: int, due: DueSettings | None = None) -> Bundle:
    with start_run(ctx, "train") as log:
        bundle = publish_model(ctx, artifact, {}, covers_seq, log, choices=ServingChoices(due=due))
        log.finish()
    return bundle


def rollback(ctx: Context, to: str | None = None) -> Bundle:
    """As `recsys rollback` does it."""
    return publish_rollback.rollback(ctx, bring_up_to_date, to).bundle


def served_document(ctx: Context) -> ServingDocument:
    document = CurrentFile(ctx.bucket, ctx.keys.serving_current, ServingDocument).read().document
    assert document is not None
    return document


@dataclass(frozen=True)
class Served:
    """What a bundle says, by ids: item → (card, available, vector), person → history, vector, and what is due as item →
    (again, last day, gap) of what was bought, rankings."""

    items: dict[str, tuple[dict[str, object], bool, F32]]
    people: dict[bytes, list[tuple[str, float, bool]]]
    vectors: dict[bytes, F32]
    due: dict[bytes, dict[str, tuple[float, int, float]]]
    popular: list[str]
    newest: list[str]
    on_sale: list[str]
    few_know: list[str]
    popular_in: dict[str, list[str]]
    similar: dict[str, list[str]]


def open_served(ctx: Context) -> ServedBundle:
    return open_bundle(served_document(ctx).bundle, lambda ref: ctx.cache.fetch(ctx.bucket, ref))


def read_served(ctx: Context) -> Served:
    """Everything that is served just now. A person without a history is as good as absent."""
    bundle = open_served(ctx)
    items = bundle.items
    cards_by_number = [json.loads(items.card(number)) for number in range(items.n)]
    ids = [card["item_id"] for card in cards_by_number]
    available = np.zeros(items.n, dtype=np.bool_)
    for layer in items.layers:
        available[layer.item_nos] = layer.available
    vectors = items.vectors(np.arange(items.n, dtype=np.int32))
    cards = {ids[no]: (card, bool(available[no]), vectors[no]) for no, card in enumerate(cards_by_number)}
    people = _people(bundle)
    categories = sorted({str(card["category"]) for card, _, _ in cards.values()})
    return Served(
        items=cards,
        people={
            key: [(ids[no], float(weight), bool(bought)) for no, weight, bought in rows]
            for key, (rows, _) in people.items()
        },
        vectors={key: vector for key, (_, vector) in people.items()},
        due={key: _due(bundle, key, ids) for key in people},
        popular=[ids[no] for no in bundle.popular],
        newest=[ids[no] for no in bundle.newest],
        on_sale=[ids[no] for no in bundle.on_sale],
        few_know=[ids[no] for no in bundle.few_know.item_nos],
        popular_in={name: [ids[no] for no in bundle.popular_in(name)] for name in categories},
        similar={ids[no]: [ids[other] for other in items.similar(no)] for no in range(items.n)},
    )


def _due(bundle: ServedBundle, key: bytes, ids: list[str]) -> dict[str, tuple[float, int, float]]:
    person = bundle.find_person(UserKey(key))
    assert person is not None
    if person.due is None:
        return {}
    rows = zip(person.items.tolist(), person.purchased, *person.due.columns(), strict=True)
    return {ids[no]: (float(again), int(day), float(gap)) for no, bought, again, day, gap in rows if bought}


def _people(bundle: ServedBundle) -> dict[bytes, tuple[list[tuple[int, float, bool]], F32]]:
    keys = {
        join_user_key(int(high), int(low))
        for layer in bundle.items.layers
        for high, low in zip(layer.people._highs, layer.people._lows, strict=True)
    }
    found = {}
    for key in keys:
        person = bundle.find_person(key)
        assert person is not None
        if len(person.items):
            vector = np.empty(0, np.float32) if person.vector is None else person.vector
            found[bytes(key)] = (list(zip(person.items, person.weights, person.purchased, strict=True)), vector)
    return found
