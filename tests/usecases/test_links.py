"""Links beside a model: published, brought up to date, folded, rolled back, and free of what identifies people."""

from __future__ import annotations

import random
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest

from common.errors import CorruptError
from common.models.artifact import Artifact
from common.models.base import FitOptions, TrainingData
from common.models.cooccurrence import Cooccurrence
from common.schemas.data import EventType, Interactions
from common.schemas.documents import Bundle
from common.schemas.links import Place
from common.schemas.pairs import PairRule
from common.serving.bundle import ServedBundle
from common.store.segments.reader import open_store
from common.usecases.erase.erase import erase
from common.usecases.publish.publish import Beside, ServingChoices
from common.usecases.shared.context import Context
from common.usecases.shared.runs import start_run
from common.usecases.train.publish_model import publish_model
from common.usecases.update.update import update
from tests.memory import memory_context
from tests.shops import Event
from tests.stored import Item, add_batch, fit, open_served, rollback, served_document, stored_document

PARAMS: dict[str, Any] = {"weighting": {"half_life_days": 30.0}, "column_power": 0.3}
ITEMS = [Item(item_id) for item_id in ("tea", "mint", "cup", "soap", "brush")]
MINUTE = 1 / 1440
PEOPLE = 2


def visits(people: Iterable[int], *items: str, day: float = 0) -> list[Event]:
    return [
        Event(f"u{n}", item, day + n / 100 + place * MINUTE, EventType.VIEW)
        for n in people
        for place, item in enumerate(items)
    ]


FIRST = [
    *visits(range(6), "tea", "cup"),
    *visits(range(5), "tea", "mint", "cup", day=1),
    *visits(range(3), "soap", "brush", day=2),
    *visits([7], "soap", "cup", day=3),
    Event("buyer", "tea", 4),
    Event("buyer", "cup", 4),
]


@pytest.fixture
def shop(tmp_path: Path) -> Context:
    ctx = memory_context(tmp_path, min_pair_people=PEOPLE, max_layers=2)
    add_batch(ctx, FIRST, ITEMS)
    publish(ctx)
    return ctx


def stored(ctx: Context) -> Interactions:
    with TemporaryDirectory() as work, open_store(stored_document(ctx), ctx.path_of, Path(work)) as reader:
        return reader.interactions()


def links_of(data: Interactions, now_s: int) -> Artifact:
    options = FitOptions(1, 1, now_s, pairs=PairRule(PEOPLE))
    return Cooccurrence.from_params(PARAMS).fit(TrainingData(data), options)


def publish(ctx: Context) -> Bundle:
    data, (artifact, covers_seq) = stored(ctx), fit(ctx)
    beside = {Place.VISIT: Beside(links_of(data, int(data.ts[-1])), {"ndcg@10": 0.5})}
    with start_run(ctx, "train") as log:
        bundle = publish_model(ctx, artifact, {}, covers_seq, log, choices=ServingChoices(beside=beside))
        log.finish()
    return bundle


def rows(bundle: ServedBundle) -> dict[str, dict[str, float]]:
    """The row of each item that has one, by ids."""
    known = [item for item in (*(one.item_id for one in ITEMS), "pen") if bundle.items.find(item) is not None]
    names = {bundle.items.find(item_id): item_id for item_id in known}
    links = bundle.linked(Place.VISIT)
    assert links is not None
    found = {}
    for number, name in names.items():
        assert number is not None
        row = links.of(np.array([number], np.int32))
        pairs = zip(row.item_nos.tolist(), row.scores.tolist(), strict=True)
        found[name] = {names[other]: weight for other, weight in pairs}
    return {name: row for name, row in found.items() if row}


def refitted(ctx: Context) -> dict[str, dict[str, float]]:
    """The rows that a fit of all that is stored would give, at the time of the base."""
    base = open_served(ctx).items.layers[0]
    artifact = links_of(stored(ctx), int(base.encoder["popularity_at"][0]))
    links = artifact.links
    assert links is not None
    return {
        artifact.item_ids[no]: {
            artifact.item_ids[other]: float(weight)
            for other, weight in zip(links.items[start:end], links.weights[start:end], strict=True)
        }
        for no, start, end in zip(links.nos, links.offsets, links.offsets[1:], strict=False)
    }


def same(row: dict[str, float]) -> Any:
    return pytest.approx(row, rel=1e-5)


def test_what_is_published_is_what_was_learned(shop: Context) -> None:
    bundle = open_served(shop)
    assert rows(bundle) == {name: same(row) for name, row in refitted(shop).items()}
    assert set(rows(bundle)["soap"]) == {"brush"}, "one person alone went from soap to a cup"
    assert bundle.document.beside["visit"].metrics == {"ndcg@10": 0.5}
    assert bundle.document.beside["visit"].family == "cooccurrence"


def test_an_update_gives_the_rows_of_its_items_as_a_fit_of_everything_would(shop: Context) -> None:
    before = rows(open_served(shop))
    add_batch(shop, visits(range(8, 12), "tea", "cup", "mint", day=20))
    update(shop)
    after, exact = rows(open_served(shop)), refitted(shop)
    for touched in ("tea", "cup", "mint"):
        assert after[touched] == same(exact[touched])
    assert after["soap"] == before["soap"] == same(exact["soap"])
    layer = open_served(shop).items.layers[-1]
    assert len(layer.links[Place.VISIT].nos) == 3, "a batch changes few rows"


def test_a_new_item_is_linked_once_enough_people_have_met_it(shop: Context) -> None:
    add_batch(shop, visits([20], "tea", "pen", day=20), [Item("pen")])
    update(shop)
    assert "pen" not in rows(open_served(shop))
    assert "pen" not in rows(open_served(shop))["tea"]
    add_batch(shop, visits([20], "tea", "pen", day=21))
    update(shop)
    assert "pen" not in rows(open_served(shop)), "two visits of one person"
    add_batch(shop, visits([21], "tea", "pen", day=22))
    update(shop)
    after, exact = rows(open_served(shop)), refitted(shop)
    assert after["pen"] == same(exact["pen"])
    assert after["tea"] == same(exact["tea"])


def test_folded_layers_answer_as_they_did_before(tmp_path: Path) -> None:
    folding = memory_context(tmp_path / "a", min_pair_people=PEOPLE, max_layers=1)
    flat = memory_context(tmp_path / "b", min_pair_people=PEOPLE)
    for ctx in (folding, flat):
        add_batch(ctx, FIRST, ITEMS)
        publish(ctx)
        for day in range(10, 13):
            add_batch(ctx, visits(range(day, day + 3), "mint", "soap", "tea", day=day))
            update(ctx)
    assert len(open_served(folding).items.layers) == 2
    assert len(open_served(flat).items.layers) == 4
    assert rows(open_served(folding)) == {name: same(row) for name, row in rows(open_served(flat)).items()}


@pytest.mark.parametrize("seed", range(2))
def test_no_pair_of_too_few_people_is_ever_linked(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    ctx = memory_context(tmp_path, min_pair_people=PEOPLE, max_layers=2)
    people: dict[frozenset[str], set[int]] = {}
    for batch in range(4):
        events = []
        for number in range(8):
            person, chosen = rng.randrange(40), rng.sample([item.item_id for item in ITEMS], 2)
            people.setdefault(frozenset(chosen), set()).add(person)
            events += visits([person], *chosen, day=10 * batch + number)
        add_batch(ctx, events, ITEMS)
        if batch:
            update(ctx)
        else:
            add_batch(ctx, visits(range(60, 63), "tea", "cup", day=9))
            people.setdefault(frozenset(("tea", "cup")), set()).update(range(60, 63))
            publish(ctx)
        for item, row in rows(open_served(ctx)).items():
            for other in row.keys() - {item}:
                assert len(people.get(frozenset((item, other)), ())) >= PEOPLE, f"{item} to {other}"


def test_after_an_erasure_no_file_of_links_names_a_person_and_the_next_night_counts_without_them(shop: Context) -> None:
    before = rows(open_served(shop))
    erase(shop, [f"u{number}" for number in range(2, 6)])
    for layer in served_document(shop).bundle.layers:
        assert not [name for name in layer.files if "links" in name and "user" in name]
    assert rows(open_served(shop)) == {name: same(row) for name, row in before.items()}, "counts of enough people stay"
    publish(shop)
    assert rows(open_served(shop)) == {name: same(row) for name, row in refitted(shop).items()}
    assert "brush" not in rows(open_served(shop)).get("tea", {})
    assert rows(open_served(shop))["tea"] != same(before["tea"])


def test_a_rollback_brings_back_the_links_of_its_version(shop: Context) -> None:
    with_links = rows(open_served(shop))
    artifact, covers_seq = fit(shop)
    with start_run(shop, "train") as log:
        publish_model(shop, artifact, {}, covers_seq, log)
        log.finish()
    assert served_document(shop).bundle.beside == {}
    assert open_served(shop).linked(Place.VISIT) is None
    rollback(shop)
    assert rows(open_served(shop)) == {name: same(row) for name, row in with_links.items()}


def test_a_version_whose_links_are_gone_is_refused_by_name(shop: Context) -> None:
    document = served_document(shop)
    layer = document.bundle.layers[0]
    files = {name: ref for name, ref in layer.files.items() if name != "links_visit_weights.npy"}
    damaged = document.bundle.model_copy(update={"layers": (layer.model_copy(update={"files": files}),)})
    shop.bucket.put(
        shop.keys.serving_current, document.model_copy(update={"bundle": damaged}).model_dump_json().encode()
    )
    with pytest.raises(CorruptError, match=r"has no file links_visit_weights\.npy"):
        open_served(shop)
