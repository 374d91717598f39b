"""Similar items as they are published, by a night and by an update."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from common.schemas.data import EventType
from common.schemas.documents import DEFAULT_BLEND, Bundle, ServingDocument, SimilarBlend
from common.testing.memory import MemoryBucket
from common.usecases.erase.erase import erase
from common.usecases.publish.layers.similar import SIMILAR_DEPTH
from common.usecases.publish.publish import ServingChoices
from common.usecases.shared.context import Context
from common.usecases.shared.runs import start_run
from common.usecases.train.publish_model import publish_model
from common.usecases.update.update import update
from tests.memory import memory_context
from tests.shops import Event
from tests.stored import Item, add_batch, fit, open_served, publish, read_served, served_document

PEOPLE = tuple(f"u{number:02}" for number in range(12))
KINDS = ("tea", "tea > green", "shoes", "lamps")
WORDS = {"tea": "black tea leaves", "tea > green": "green sencha", "shoes": "running shoe", "lamps": "desk lamp"}
ITEMS = [
    Item(f"{kind[:3]}{kind[-2:]}{number}", kind, f"maker{number % 3}", 5.0 + number, title=f"{WORDS[kind]} {number}")
    for kind in KINDS
    for number in range(8)
]
SOLD = [item for item in ITEMS if item.category != "lamps"]


def events() -> list[Event]:
    rng = np.random.default_rng(3)
    return [
        Event(person, SOLD[int(rng.integers(len(SOLD)))].item_id, day=day + place / 100)
        for place, person in enumerate(PEOPLE)
        for day in range(30)
    ]


@pytest.fixture(scope="module")
def once(tmp_path_factory: pytest.TempPathFactory) -> MemoryBucket:
    """A shop of four categories; nobody has bought a lamp yet."""
    bucket = MemoryBucket()
    ctx = memory_context(tmp_path_factory.mktemp("shop"), bucket)
    add_batch(ctx, events(), ITEMS)
    publish(ctx, *fit(ctx))
    return bucket


@pytest.fixture
def shop(once: MemoryBucket, tmp_path: Path) -> Context:
    return memory_context(tmp_path, once.copy())


def kind_of(item_id: str) -> str:
    return next((item.category for item in ITEMS if item.item_id == item_id), item_id)


def test_the_first_places_are_of_the_own_category_also_where_nobody_has_bought_any(shop: Context) -> None:
    similar = read_served(shop).similar
    for item in ITEMS:
        assert {kind_of(other) for other in similar[item.item_id][:7]} == {item.category}
    assert kind_of(similar["teaea0"][7]) == "tea > green", "then of the next wider one"


def test_the_same_data_give_the_same_lists(once: MemoryBucket, tmp_path: Path) -> None:
    again = memory_context(tmp_path, MemoryBucket())
    add_batch(again, events(), ITEMS)
    publish(again, *fit(again))
    assert read_served(again).similar == read_served(memory_context(tmp_path / "other", once.copy())).similar


NEW = [
    Item("tea-new", "tea > green", "maker1", 7.5, title="green sencha from the valley"),
    Item("lamp-new", "lamps", "", float("nan"), title="\x02desk\x00 lamp 3 " + "x" * 5000),
    Item("bare", "", "", float("nan")),
    Item("titled", "", "maker1", 7.0, title="running shoe"),
]


def test_an_item_that_comes_by_an_update_has_nearly_the_neighbours_of_a_night(shop: Context, tmp_path: Path) -> None:
    """The night knows no more of them, but weighs words and groups anew."""
    add_batch(shop, items=NEW)
    update(shop)
    by_update = read_served(shop).similar
    at_night = memory_context(tmp_path / "night", shop.bucket)
    publish(at_night, *fit(at_night))
    by_night = read_served(at_night).similar
    for item in NEW[:2]:
        ours = [other for other in by_update[item.item_id] if other not in {new.item_id for new in NEW}]
        theirs = [other for other in by_night[item.item_id] if other not in {new.item_id for new in NEW}]
        assert {kind_of(other) for other in ours[:7]} == {item.category}
        assert len(set(ours[:5]) & set(theirs[:5])) >= 4
    assert by_update["tea-new"][:3] == by_night["tea-new"][:3]
    assert by_update["bare"] == by_night["bare"] == [], "nothing is known of it"
    assert {kind_of(other) for other in by_update["titled"][:3]} == {"shoes"}


def test_a_new_category_is_similar_to_itself_within_one_update(shop: Context) -> None:
    add_batch(shop, items=[Item(f"kite{number}", "kites", title=f"kite {number}") for number in range(6)])
    update(shop)
    add_batch(shop, items=[Item("kite9", "kites", title="kite 3")])
    update(shop)
    similar = read_served(shop).similar
    for number in range(6):
        assert {other[:4] for other in similar[f"kite{number}"][:5]} == {"kite"}
    assert similar["kite9"][0] == "kite3", "an earlier update's items are known by their cards"


def test_what_is_sold_out_is_nobodys_neighbour(shop: Context) -> None:
    add_batch(shop, items=[Item("lamps1", "lamps", available=False, title="desk lamp 1")])
    add_batch(shop, items=[Item("lamp-new", "lamps", title="desk lamp 1")])
    update(shop)
    assert "lamps1" not in read_served(shop).similar["lamp-new"]


HOSTILE = [
    "", " ", "\x00", "\x1b[31m", "a" * 10_000, "ﷺ" * 300, "\u202e" * 50, "🧦" * 40, "a\u0300" * 200, "<script>",
    "' OR 1=1 --", "{{7*7}}", "NaN", "-1", "ٱ" * 300,
]  # fmt: skip


def test_hostile_catalogues_are_published(tmp_path: Path) -> None:
    ctx = memory_context(tmp_path, MemoryBucket())
    items = [Item(f"h{number}", text, text, 1e308, title=text) for number, text in enumerate(HOSTILE)]
    items += [Item(f"one{number}", f"alone {number} > of its kind", "", 5e-324) for number in range(9)]
    items += [Item(f"deep{number}", " > ".join(["level"] * 60 + [str(number)]), "") for number in range(3)]
    add_batch(ctx, [Event(person, item.item_id, day) for day, item in enumerate(items) for person in PEOPLE], items)
    publish(ctx, *fit(ctx))
    add_batch(ctx, items=[Item(f"late{number}", text, text, title=text) for number, text in enumerate(HOSTILE)])
    update(ctx)
    served = read_served(ctx)
    for item_id, similar in served.similar.items():
        assert item_id not in similar
        assert len(set(similar)) == len(similar) <= SIMILAR_DEPTH


def test_a_shop_without_categories_and_titles_has_the_nearest_vectors(tmp_path: Path) -> None:
    similar = []
    for number, blend in enumerate((DEFAULT_BLEND, None)):
        ctx = memory_context(tmp_path / str(number), MemoryBucket())
        add_batch(ctx, events(), [Item(item.item_id, "", "", float("nan")) for item in ITEMS])
        published_with(ctx, blend)
        similar.append(read_served(ctx).similar)
    assert similar[0] == similar[1]
    assert any(similar[0].values())


def published_with(ctx: Context, blend: SimilarBlend | None, family: str = "als") -> None:
    artifact, covers_seq = fit(ctx, family)
    with start_run(ctx, "train") as log:
        publish_model(ctx, artifact, {}, covers_seq, log, choices=ServingChoices(similar=blend))
        log.finish()


def test_a_version_without_a_blend_is_updated_as_it_was_made(tmp_path: Path) -> None:
    ctx = memory_context(tmp_path, MemoryBucket())
    add_batch(ctx, events(), ITEMS)
    published_with(ctx, None)
    assert not any(name.startswith("similar_") for name in open_served(ctx).items.layers[0].encoder)
    add_batch(ctx, items=NEW)
    update(ctx)
    assert read_served(ctx).similar["tea-new"]


def test_the_blend_is_in_the_bundle_and_an_older_bundle_has_none(shop: Context) -> None:
    document = served_document(shop)
    assert document.bundle.model.similar == DEFAULT_BLEND
    older = json.loads(document.model_dump_json())
    del older["bundle"]["model"]["similar"]
    assert ServingDocument.model_validate(older).bundle.model.similar is None
    assert Bundle.model_validate(older["bundle"]).model.similar is None


def test_what_is_stored_for_updates_is_of_items_and_stays_after_an_erasure(shop: Context) -> None:
    def stored() -> dict[str, list[object]]:
        arrays = open_served(shop).items.layers[0].encoder
        return {name: array.tolist() for name, array in arrays.items() if name.startswith("similar_")}

    before = stored()
    n_items = open_served(shop).items.layers[0].info.n_items
    assert {len(before[f"similar_{name}"]) for name in ("directions", "words", "brands", "prices")} == {n_items}
    erase(shop, [PEOPLE[0]])
    after = stored()
    assert before.keys() == after.keys()
    assert repr(before) == repr(after)


def test_a_pair_that_few_people_support_changes_no_list(tmp_path: Path) -> None:
    """Four people who buy two lamps leave no trace in the lists, five do, with the same popularity of both."""

    def lists(together: int) -> dict[str, list[str]]:
        ctx = memory_context(tmp_path / str(together), MemoryBucket(), min_pair_people=5)
        lamps = [item for item in ITEMS if item.category == "lamps"]
        pairs = [(f"p{number}", "lamps0", "lamps7" if number < together else "lamps3") for number in range(9)]
        bought = [Event(person, item, day) for person, one, other in pairs for day, item in enumerate((one, other))]
        extra = [Event(f"q{number}", "lamps3" if number < together else "lamps7", 2) for number in range(9)]
        add_batch(ctx, [*events(), *bought, *extra], [*SOLD, *lamps])
        artifact, covers_seq = fit(ctx)
        with start_run(ctx, "train") as log:
            only = SimilarBlend(interchange=1, popular=0, vectors=0, words=0, brand=0, price=0)
            publish_model(ctx, artifact, {}, covers_seq, log, choices=ServingChoices(similar=only))
            log.finish()
        return read_served(ctx).similar

    assert lists(5)["lamps0"][0] == "lamps7"
    assert lists(4)["lamps0"][0] == "lamps3", "which the other five bought"


def guests() -> list[Event]:
    """Visits of nobody known, who look at the items of a ring one after the other, each with its neighbours."""
    rng = np.random.default_rng(9)
    starts = enumerate(rng.integers(0, 24, 400).tolist())
    return [
        Event(None, f"i{(start + step) % 24:02}", visit / 10 + step / 1440, EventType.VIEW, session=visit)
        for visit, start in starts
        for step in range(3)
    ]


def ring_neighbours(item_id: str) -> set[str]:
    return {f"i{(int(item_id[1:]) + step) % 24:02}" for step in (-2, -1, 1, 2)}


@pytest.mark.parametrize(
    ("family", "items"),
    [("item2vec", ()), ("popular", tuple(Item(f"i{number:02}", "") for number in range(24)))],
    ids=["bare", "listed"],
)
def test_a_shop_that_knows_nobody_has_similar_items(tmp_path: Path, family: str, items: tuple[Item, ...]) -> None:
    """Those of the same visits first, with a catalogue that says nothing, or without one."""
    ctx = memory_context(tmp_path)
    add_batch(ctx, guests(), items)
    publish(ctx, *fit(ctx, family))
    similar = read_served(ctx).similar
    assert len(similar) == 24
    for item_id, others in similar.items():
        assert set(others[:4]) == ring_neighbours(item_id)
        assert item_id not in others
        assert len(others) > 4 or family == "popular", "behind them come the nearest by what was learned from guests"


def test_vectors_learned_from_guests_count_where_nobody_is_known(tmp_path: Path) -> None:
    """As in a shop that published without a blend."""
    ctx = memory_context(tmp_path)
    add_batch(ctx, guests())
    published_with(ctx, None, "item2vec")
    similar = read_served(ctx).similar
    found = [len(set(others[:4]) & ring_neighbours(item_id)) for item_id, others in similar.items()]
    assert sum(found) / (4 * len(found)) > 0.5
