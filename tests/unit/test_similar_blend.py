"""The parts of the blend: categories, titles, common buyers, and the lists that they give."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.models.similar import lists as lists_module
from common.models.similar.interchange import SHRINKAGE, Interchange
from common.models.similar.lists import Shelves, similar_in_categories
from common.models.similar.paths import MAX_LEVELS, CategoryTree, leaf_groups, path_of
from common.models.similar.traits import Traits, unit
from common.models.similar.words import MAX_TITLE, WIDTH, TitleCounts
from common.schemas.data import F32, Bools, Catalogue, EventType
from common.schemas.documents import SimilarBlend
from common.schemas.pairs import PairRule
from common.usecases.publish.layers.rankings import category_codes
from tests.shops import Event, catalogue, interactions

NOTHING = SimilarBlend(interchange=0, popular=0, vectors=0, words=0, brand=0, price=0)
LANGUAGES = {
    "af": "Rooi wolsokkies", "am": "ቀይ የሱፍ ካልሲ", "ar": "جوارب صوف حمراء", "az": "Qırmızı yun corab",
    "be": "Чырвоныя шарсцяныя шкарпэткі", "bg": "Червени вълнени чорапи", "bn": "লাল পশমের মোজা",
    "bs": "Crvene vunene čarape", "ca": "Mitjons de llana vermells", "cs": "Červené vlněné ponožky",
    "cy": "Sanau gwlân coch", "da": "Røde uldsokker", "de": "Rote Wollsocken", "el": "Κόκκινες μάλλινες κάλτσες",
    "en": "Red woollen socks", "eo": "Ruĝaj lanaj ŝtrumpetoj", "es": "Calcetines de lana rojos",
    "et": "Punased villased sokid", "eu": "Artilezko galtzerdi gorriak", "fa": "جوراب پشمی قرمز",
    "fi": "Punaiset villasukat", "fr": "Chaussettes en laine rouges", "ga": "Stocaí olla dearga",
    "gl": "Calcetíns de la vermellos", "gu": "લાલ ઊનના મોજાં", "he": "גרבי צמר אדומות", "hi": "लाल ऊनी मोज़े",
    "hr": "Crvene vunene čarape", "hu": "Piros gyapjúzokni", "hy": "Կարմիր բրդյա գուլպաներ",
    "id": "Kaus kaki wol merah", "is": "Rauðir ullarsokkar", "it": "Calzini di lana rossi", "ja": "赤いウールの靴下",
    "ka": "წითელი შალის წინდები", "kk": "Қызыл жүн шұлық", "ko": "빨간 양모 양말", "lt": "Raudonos vilnonės kojinės",
    "lv": "Sarkanas vilnas zeķes", "mk": "Црвени волнени чорапи", "mt": "Kalzetti tas-suf ħomor",
    "nl": "Rode wollen sokken", "no": "Røde ullsokker", "pl": "Czerwone wełniane skarpety",
    "pt": "Meias de lã vermelhas", "ro": "Șosete roșii din lână", "ru": "Красные шерстяные носки",
    "sv": "Röda ullsockor", "th": "ถุงเท้าขนสัตว์สีแดง", "zh": "红色羊毛袜子",
}  # fmt: skip
"""Red woollen socks, as fifty languages call them."""


def titled(titles: list[str], categories: list[str] | None = None) -> Catalogue:
    kinds = categories or ["all"] * len(titles)
    rows = [(f"i{number:03}", kind, "", float("nan")) for number, kind in enumerate(kinds)]
    return replace(catalogue(rows), titles=tuple(titles))


def shelves_of(
    items: Catalogue,
    listed: Bools | None = None,
    popular: list[float] | None = None,
    directions: F32 | None = None,
    interchange: Interchange | None = None,
) -> Shelves:
    n = len(items)
    vectors = np.zeros((n, 2), dtype=np.float32) if directions is None else directions
    return Shelves(
        traits=Traits.of(vectors, items, TitleCounts.of(items.titles)),
        tree=CategoryTree.of(*category_codes(items.categories)),
        popular=np.array(popular or [0.0] * n),
        listed=np.ones(n, dtype=np.bool_) if listed is None else listed,
        interchange=interchange or Interchange.nothing(n),
    )


def ranked(shelves: Shelves, blend: SimilarBlend, k: int = 8) -> list[list[int]]:
    found = similar_in_categories(shelves, np.arange(len(shelves.listed)), blend, k)
    return [row[row >= 0].tolist() for row in found]


@pytest.mark.parametrize(
    ("category", "path"),
    [
        ("Beers/ales", ("Beers/ales",)),
        ("Clothing > Shoes", ("Clothing", "Shoes")),
        ("Clothing>Shoes", ("Clothing", "Shoes")),
        ("Home / Kitchen | Pans", ("Home", "Kitchen", "Pans")),
        (" > ", ()),
        ("", ()),
        ("\x00", ("\x00",)),
        ("Haus » Küche » Töpfe", ("Haus", "Küche", "Töpfe")),
    ],
)
def test_a_category_is_a_path(category: str, path: tuple[str, ...]) -> None:
    assert path_of(category) == path


def test_a_path_of_any_length_keeps_its_leaf() -> None:
    path = path_of(" > ".join(map(str, range(40))))
    assert len(path) == MAX_LEVELS
    assert path[-1] == "39"


def test_a_leaf_is_its_whole_path() -> None:
    groups = leaf_groups(["Men > Shoes", "Women > Shoes", "Men>Shoes", "", "Men"])
    assert groups[0] == groups[2]
    assert len({int(groups[0]), int(groups[1]), int(groups[4])}) == 3
    assert groups[3] == -1


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_title_is_like_one_of_the_same_words_in_any_language(language: str) -> None:
    other = "Chaussures de ski" if language != "fr" else "Ski boots"
    own = LANGUAGES[language]
    items = titled([own, f"{own} 42", other, "1234"])
    vectors = unit(TitleCounts.of(items.titles).vectors(items.titles))
    assert vectors[0] @ vectors[1] > 0.6
    assert vectors[0] @ vectors[1] > vectors[0] @ vectors[2] + 0.4
    assert ranked(shelves_of(items), replace_blend(words=1))[0][0] == 1


def replace_blend(**weights: float) -> SimilarBlend:
    return NOTHING.model_copy(update=weights)


def test_a_compound_is_like_its_parts() -> None:
    items = titled(["Laufschuhe", "Schuh", "Laufband", "Gartenstuhl"])
    first = ranked(shelves_of(items), replace_blend(words=1))[0]
    assert first[-1] == 3


@settings(max_examples=20, deadline=None)
@given(
    st.lists(st.one_of(st.text(max_size=40), st.sampled_from(["\x00", "\ud800", "a" * 9000, "ﷺ" * 300])), max_size=6)
)
def test_any_title_gives_a_vector_and_always_the_same(titles: list[str]) -> None:
    counts = TitleCounts.of(titles)
    vectors = counts.vectors(titles)
    assert vectors.shape == (len(titles), WIDTH if any(titles) else 0)
    assert (vectors == TitleCounts.of(titles).vectors(titles)).all()
    for title, vector in zip(titles, vectors, strict=True):
        assert (vector == counts.vectors([title])).all(), "a title's vector depends on no other"
        assert (vector == counts.vectors([title[:MAX_TITLE]])).all()


def test_common_buyers_are_those_of_loops_over_people() -> None:
    rng = np.random.default_rng(4)
    leaves = np.array([0, 0, 0, 0, 1, 1, 1, -1])
    events = [
        Event(f"u{rng.integers(9)}", f"i{rng.integers(8)}", float(rng.integers(20)), order=int(rng.integers(25)))
        for _ in range(150)
    ]
    events = [replace(event, order=event.order * 100 + int(event.user[1:]) if event.user else -1) for event in events]
    data = interactions(events, [f"i{number}" for number in range(8)])
    found = Interchange.of(data, np.arange(8), leaves, PairRule(2))
    baskets: dict[tuple[str, str], set[int]] = {}
    for event in events:
        baskets.setdefault((event.user or "", event.item), set()).add(event.order)
    buyers = {item: {user for user, other in baskets if other == item} for item in data.item_ids}
    for first in range(8):
        _, others, values = found.entries(np.array([first]))
        shown = dict(zip(others.tolist(), values.tolist(), strict=True))
        for second in range(8):
            one, other = f"i{first}", f"i{second}"
            both = [user for user in buyers[one] & buyers[other] if len(baskets[user, one] | baskets[user, other]) > 1]
            counts = first != second and leaves[first] == leaves[second] >= 0 and len(both) >= 2
            expected = len(both) / (np.sqrt(len(buyers[one]) * len(buyers[other])) + SHRINKAGE) if counts else None
            assert shown.get(second) == (None if expected is None else pytest.approx(expected))


def test_a_pair_that_too_few_people_support_counts_nothing() -> None:
    events = [Event(f"u{number}", item, day) for number in range(4) for day, item in enumerate(("i0", "i1"))]
    data = interactions(events)
    assert len(Interchange.of(data, np.arange(2), np.zeros(2, int), PairRule(5)).items) == 0
    assert len(Interchange.of(data, np.arange(2), np.zeros(2, int), PairRule(4)).items) == 2


def test_views_count_instead_of_purchases_where_there_are_any_also_those_of_visits_without_a_person() -> None:
    bought = [Event(f"u{number}", item, day) for number in range(4) for day, item in enumerate(("i0", "i1"))]
    viewed = [Event("u0", item, 9 + at / 1000, EventType.VIEW) for at, item in enumerate(("i0", "i2"))]
    guest = [Event(None, item, 9 + at / 1000, EventType.VIEW) for at, item in enumerate(("i0", "i3"))]
    data = interactions([*bought, *viewed, *guest])
    data = replace(data, sessions=np.where(data.users < 0, 7, -1))
    found = Interchange.of(data, np.arange(4), np.zeros(4, int), PairRule(1))
    assert found.entries(np.array([0]))[1].tolist() == [2, 3]


def test_read_strictly_visits_without_a_person_count_for_no_pair() -> None:
    viewed = [Event(f"u{number}", item, number, EventType.VIEW) for number in range(2) for item in ("i0", "i1")]
    guests = [Event(None, item, 9 + at / 1000, EventType.VIEW) for at in range(4) for item in ("i0", "i1")]
    data = interactions([*viewed, *guests])
    data = replace(data, sessions=np.where(data.users < 0, data.ts, -1))
    for guests_count, people in ((True, 6), (False, 2)):
        for least, pairs in ((people, 2), (people + 1, 0)):
            rule = PairRule(least, guests_count)
            assert len(Interchange.of(data, np.arange(2), np.zeros(2, int), rule).items) == pairs


def test_a_person_with_all_of_a_category_makes_a_bounded_number_of_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.models.similar.interchange.MAX_ITEMS", 3)
    data = interactions([Event("u", f"i{number}", number) for number in range(9)])
    pairs = Interchange.of(data, np.arange(9), np.zeros(9, int), PairRule(1))
    assert set(pairs.items.tolist()) == {6, 7, 8}, "the latest"


def test_the_own_category_comes_first_then_the_next_wider_one() -> None:
    kinds = ["A > B > C"] * 3 + ["A > B"] * 2 + ["A > D"] + ["E"] * 4
    found = ranked(shelves_of(titled([""] * 10, kinds), popular=[*range(10)]), replace_blend(popular=1))
    assert found[0] == [2, 1, 4, 3, 5]
    assert found[3][0] == 4
    assert found[9] == [8, 7, 6]


@settings(max_examples=25, deadline=None)
@given(st.data())
def test_the_same_leaf_fills_the_first_places(data: st.DataObject) -> None:
    kinds = data.draw(st.lists(st.sampled_from(["", "x", "x > y", "x > z", "w", "\x00"]), min_size=1, max_size=40))
    rng = np.random.default_rng(len(kinds))
    items = titled([str(rng.integers(9)) for _ in kinds], kinds)
    listed = rng.random(len(kinds)) < 0.7
    directions = rng.normal(size=(len(kinds), 2)).astype(np.float32)
    shelves = shelves_of(items, listed, rng.random(len(kinds)).tolist(), directions)
    found = ranked(shelves, SimilarBlend(), k=5)
    assert found == ranked(shelves, SimilarBlend(), k=5)
    groups = leaf_groups(items.categories)
    for number, row in enumerate(found):
        assert number not in row
        assert len(set(row)) == len(row)
        assert listed[row].all()
        own = int((groups[listed] == groups[number]).sum() - listed[number])
        assert [groups[other] == groups[number] for other in row[: min(own, 5)]] == [True] * min(own, 5) or (
            groups[number] < 0 and row == []
        )


def test_each_part_of_the_blend_counts() -> None:
    rows = [("i0", "c", "acme", 10.0), ("i1", "c", "acme", 99.0), ("i2", "c", "Acme ", 11.0), ("i3", "c", "", 10.5)]
    items = replace(catalogue(rows), titles=("red sock", "blue hat", "green tie", "red socks"))
    directions = np.array([(1, 0), (0, 1), (1, 0.1), (0, 1)], dtype=np.float32)
    pairs = Interchange(np.array([0, 1, 1, 1, 1]), np.array([1], np.int32), np.array([0.5], np.float32))
    shelves = shelves_of(items, popular=[0.0, 1.0, 2.0, 9.0], directions=directions, interchange=pairs)
    first = {name: ranked(shelves, replace_blend(**{name: 1.0}))[0] for name in SimilarBlend.model_fields}
    assert first["interchange"][0] == 1
    assert first["popular"] == [3, 2, 1]
    assert first["vectors"][0] == 2
    assert first["words"][0] == 3
    assert set(first["brand"][:2]) == {1, 2}
    assert first["price"] == [3, 2, 1]


def test_items_without_a_price_or_brand_are_near_to_none() -> None:
    rows = [("i0", "c", "", float("nan")), ("i1", "c", "", float("nan")), ("i2", "c", "b", -1.0), ("i3", "c", "b", 0.0)]
    shelves = shelves_of(catalogue(rows))
    scores = shelves.scores(np.arange(4), np.arange(4), replace_blend(price=1, brand=1))
    assert np.isfinite(scores).all()
    assert scores[0].tolist() == [0, 0, 0, 0]
    assert scores[2].tolist() == [0, 0, 1, 1]


def test_of_a_large_category_the_most_popular_and_all_of_a_small_leaf_are_compared(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lists_module, "CANDIDATES", 4)
    kinds = ["A > B"] * 2 + ["A > C"] * 8
    shelves = shelves_of(titled([""] * 10, kinds), popular=[0, 0, 9, 8, 7, 6, 1, 1, 1, 1])
    found = ranked(shelves, replace_blend(popular=1), k=6)
    assert found[0] == [1, 2, 3, 4, 5]
    assert found[9] == [2, 3, 4, 5]


def visits(*seen: str, day: float = 0, user: str | None = None) -> list[Event]:
    """A visit for each text, an item a letter."""
    return [
        Event(user, item, day + number + step / 1000, EventType.VIEW, session=number)
        for number, items in enumerate(seen)
        for step, item in enumerate(items)
    ]


def test_what_guests_view_in_one_visit_is_alike_also_without_categories() -> None:
    data = interactions(visits("xy", "xy", "xyz", "yz", "v"))
    leaves = np.array([-1, -1, -1, -1])
    found = Interchange.of(data, np.arange(4), leaves, PairRule(2))
    positions, items, values = found.entries(np.arange(4))
    ids = data.item_ids
    assert {(ids[place], ids[item]) for place, item in zip(positions, items, strict=True)} == {
        ("x", "y"), ("y", "x"), ("y", "z"), ("z", "y"),
    }  # fmt: skip
    of_xy = values[(positions == ids.index("x")) & (items == ids.index("y"))]
    assert of_xy == pytest.approx([3 / (np.sqrt(3 * 4) + SHRINKAGE)])
    with_leaf = Interchange.of(data, np.arange(4), np.where(np.array(ids) == "y", 0, -1), PairRule(2))
    assert len(with_leaf.items) == 0, "x and z come together once, and y has a category"


def test_what_is_bought_is_not_alike_without_categories() -> None:
    data = interactions(
        [Event(f"u{number}", item, number + place) for number in range(5) for place, item in enumerate("xy")]
    )
    assert len(Interchange.of(data, np.arange(2), np.array([-1, -1]), PairRule(2)).items) == 0


def test_an_item_without_a_category_is_like_those_with_common_visitors() -> None:
    items = titled(["a", "b", "c", "d"], ["", "", "", "kind"])
    data = interactions(visits("xy", "xy", "xz", "xz", "xz", "yz", "xw"), "wxyz")
    shelves = replace(
        shelves_of(items), interchange=Interchange.of(data, np.arange(4), np.array([-1, -1, -1, 0]), PairRule(2))
    )
    # The ids of the data, w to z, are the items 0 to 3; z has a category.
    blend = replace_blend(interchange=1.0)
    rows = np.arange(4)
    lists = lists_module.similar_lists(shelves, rows, blend, 3)
    assert lists.tolist() == [[-1, -1, -1], [2, -1, -1], [1, -1, -1], [-1, -1, -1]]
    assert (lists_module.similar_lists(shelves, rows, NOTHING, 3)[:3] == -1).all()
    sold_out = replace(shelves, listed=np.array([True, True, False, True]))
    assert (lists_module.similar_lists(sold_out, rows, blend, 3)[1] == -1).all()


def test_the_best_of_an_interchange_are_sorted_and_cut() -> None:
    values = np.array([0.5, 0.9, 0.5, 0.1], np.float32)
    found = Interchange(np.array([0, 4, 4, 4, 4, 4]), np.array([1, 2, 3, 4], np.int32), values)
    listed = np.ones(5, np.bool_)
    assert found.best(np.array([0, 1]), listed, 3).tolist() == [[2, 1, 3], [-1, -1, -1]]
    assert found.best(np.array([1, 0]), np.array([1, 1, 0, 1, 1], np.bool_), 4).tolist() == [[-1] * 4, [1, 3, 4, -1]]
    assert found.best(np.empty(0, np.int64), listed, 2).shape == (0, 2)
