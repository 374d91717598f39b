"""What is asked of each kind that leads from items to others, and how its lists are counted."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import pytest

from common.evaluation import kind_questions
from common.evaluation.kind_questions import KINDS, Asked, Rows, asked_of
from common.evaluation.kinds import OTHER_CATEGORIES, SAME_CATEGORY, judge_kind, lists_of, mixed_lists, same_list
from common.evaluation.split import Fold, temporal_split
from common.models.artifact import Artifact
from common.schemas.data import EventType
from common.schemas.kind import Kind
from common.schemas.mixing import mixed
from common.serving.encoders import ENCODERS
from tests.shops import Event, interactions
from tests.unit.test_visits import of_links

MINUTE = 1 / 1440
PAST = [Event("a", item, day) for day, item in enumerate("xyzvw" * 4)]
CATEGORIES = {"x": 0, "y": 0, "z": 1, "v": -1, "w": 1}


def fold_of(events: Sequence[Event]) -> Fold:
    split = temporal_split(interactions([*PAST, *events]), 10, 0)
    assert split is not None
    return split.validation


def asked(kind: Kind, events: Sequence[Event]) -> Asked:
    fold = fold_of(events)
    codes = np.array([CATEGORIES.get(item_id, -1) for item_id in fold.past.item_ids], dtype=np.int64)
    found = asked_of(kind, fold, codes, 1)
    assert found is not None
    return found


def words(questions: Asked) -> list[tuple[str, str, str, int]]:
    """What is given, wanted and hidden, by ids, and whose question it is."""
    ids = questions.fold.past.item_ids

    def text(rows: Rows, at: int) -> str:
        return "".join(ids[item] for item in rows.items[rows.offsets[at] : rows.offsets[at + 1]])

    parts = (questions.given, questions.wanted, questions.hidden)
    texts = [tuple(text(rows, at) for rows in parts) for at in range(len(questions))]
    return [
        (given, wanted, "".join(sorted({*hidden})), int(owner))
        for (given, wanted, hidden), owner in zip(texts, questions.owners, strict=True)
    ]


def order(user: str | None, items: str, day: float, number: int) -> list[Event]:
    return [Event(user, item, day, order=number) for item in items]


def views(user: str, items: str, day: float) -> list[Event]:
    return [Event(user, item, day + step * MINUTE, EventType.VIEW) for step, item in enumerate(items)]


def test_a_basket_is_asked_for_a_line_by_the_others_and_for_the_others_by_a_line() -> None:
    events = [*order("b", "xyz", 22, 1), *order(None, "v", 23, 2)]
    assert words(asked(Kind.BASKET, events)) == [("yz", "x", "yz", 0), ("xz", "y", "xz", 0), ("xy", "z", "xy", 0)]
    assert words(asked(Kind.BOUGHT_TOGETHER, events)) == [("x", "yz", "x", 0), ("y", "xz", "y", 0), ("z", "xy", "z", 0)]


def test_a_visit_is_asked_for_what_comes_next() -> None:
    events = [*views("b", "xyx", 22), Event("b", "z", 22 + 3 * MINUTE)]
    assert words(asked(Kind.SESSION, events)) == [("x", "y", "x", 0), ("xyx", "z", "xy", 0)]
    of_views = words(asked(Kind.BECAUSE_YOU_VIEWED, events))
    assert of_views == [("x", "y", "x", 0), ("y", "x", "y", 0), ("x", "z", "x", 0)]


def test_what_was_bought_is_not_what_was_viewed() -> None:
    events = [Event("b", item, 22 + step * MINUTE) for step, item in enumerate("xyz")]
    fold = fold_of(events)
    assert asked_of(Kind.BECAUSE_YOU_VIEWED, fold, np.full(fold.past.n_items, -1), 1) is None
    assert asked_of(Kind.SESSION, fold, np.full(fold.past.n_items, -1), 1) is not None


def test_an_order_is_asked_for_what_is_new_in_the_next_one() -> None:
    events = [
        *order("a", "xq", 22, 1),  # has bought all but q, so this asks for q alone, and the next order for nothing
        *order("a", "yq", 23, 2),
        *order("b", "xy", 22, 3),
        *order("b", "yzv", 24, 4),
        *order("b", "w", 26, 5),
        *order(None, "xy", 25, 6),
        *order("c", "x", 23, 7),
    ]
    assert words(asked(Kind.BECAUSE_YOU_BOUGHT, events)) == [
        ("w", "q", "vwxyz", 0),
        ("xy", "vz", "xy", 1),
        ("vyz", "w", "vxyz", 1),
    ]


@pytest.mark.parametrize("kind", KINDS)
def test_nothing_is_asked_of_an_empty_or_unknown_window(kind: Kind) -> None:
    for events in ([Event("b", "x", 22)], [*order("b", "123", 22, 1), *order("b", "321", 23, 2)]):
        fold = fold_of(events)
        assert asked_of(kind, fold, np.full(fold.past.n_items, -1), 1) is None


def test_long_baskets_and_many_of_them_are_sampled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kind_questions, "MAX_ASKED", 4)
    events = [event for number in range(9) for event in order(f"u{number}", "xyzvw", 22 + number / 10, number)]
    found = asked(Kind.BASKET, events)
    assert (found.n_owners, len(found)) == (4, 12)
    assert words(found) == words(asked(Kind.BASKET, events)), "the same sample each time"


def test_lines_of_the_same_category_are_counted_apart() -> None:
    found = asked(Kind.BOUGHT_TOGETHER, order("b", "xyz", 22, 1))
    assert found.alike.tolist() == [True, False, True, False, False, False], "x and y are of one category"
    links = of_links({"x": {"y": 2, "z": 1}, "y": {"z": 1}, "z": {"v": 1, "x": 0.5}})
    judged = judge_kind(lists_of(links, found, None), found)
    two = 1 + 1 / math.log2(3)
    # By x both are found, by y only z, by z only x and that as the second.
    assert judged.primary == pytest.approx([(1 + 1 / two + (1 / math.log2(3)) / two) / 3])
    assert judged.metrics["recall@10"] == pytest.approx((1 + 1 / 2 + 1 / 2) / 3)
    assert judged.metrics[SAME_CATEGORY] == pytest.approx((1 + 0) / 2)
    others = [1 / math.log2(3), 1, (1 / math.log2(3)) / two]
    assert judged.others == pytest.approx([sum(others) / 3])
    assert judged.metrics[OTHER_CATEGORIES] == pytest.approx(sum(others) / 3)


def test_without_categories_nothing_is_alike() -> None:
    found = asked(Kind.BASKET, order("b", "vq", 22, 1))
    judged = judge_kind(same_list(np.arange(5), found), found)
    assert not found.alike.any()
    assert {SAME_CATEGORY, OTHER_CATEGORIES}.isdisjoint(judged.metrics)
    assert judged.others == pytest.approx(judged.primary)


def test_what_is_hidden_is_not_shown_by_either_shape() -> None:
    found = asked(Kind.BASKET, order("b", "xyz", 22, 1))
    ids = found.fold.past.item_ids
    links = of_links({"x": {"y": 9, "v": 1}, "y": {"x": 9, "w": 1}, "z": {"v": 3}}, ids=ids)
    vectors = Artifact(
        family="popular",
        params={},
        item_ids=ids,
        item_vectors=np.array([[float(len(ids) - place)] for place in range(len(ids))], np.float32),
        user_keys=np.empty((0, 2), np.uint64),
        user_vectors=np.empty((0, 1), np.float32),
        encoder="constant",
    )
    for artifact, encode in ((links, None), (vectors, ENCODERS["constant"])):
        lists = lists_of(artifact, found, encode)
        for row, (given, _, _, _) in enumerate(words(found)):
            shown = [ids[item] for item in lists[row] if item >= 0]
            assert not set(shown) & set(given)
            if encode:
                assert shown == [item for item in ids if item not in given]
    by_yz = lists_of(links, found, None)[0]
    assert [ids[item] for item in by_yz if item >= 0] == ["x", "v", "w"]
    popular = same_list(np.arange(len(ids)), found)
    assert (popular == lists_of(vectors, found, ENCODERS["constant"])).all()


def test_a_list_of_items_that_the_model_does_not_know_is_empty() -> None:
    found = asked(Kind.BASKET, order("b", "xy", 22, 1))
    lists = lists_of(of_links({"v": {"w": 1}}, ids="vw"), found, None)
    assert (lists == -1).all()
    assert judge_kind(lists, found).primary.tolist() == [0.0]


def test_the_time_is_looked_at() -> None:
    found = asked(Kind.BASKET, order("b", "xy", 22, 1))

    with pytest.raises(TimeoutError):
        lists_of(of_links({"x": {"y": 1}}), found, None, spent)


def test_each_owner_counts_once() -> None:
    events = [*order("b", "xyz", 22, 1), *order("c", "vw", 23, 2)]
    found = asked(Kind.BASKET, events)
    judged = judge_kind(found.wanted.items[:, None], found)
    assert judged.primary.tolist() == [1.0, 1.0], "a list of what is wanted"
    assert judged.metrics["asked"] == 2


def test_mixed_lists_are_those_of_the_places_in_each() -> None:
    found = asked(Kind.BASKET, order("b", "xyz", 22, 1))
    ids = found.fold.past.item_ids
    linked = of_links({"x": {"v": 2, "w": 1}, "y": {"w": 0.5}}, ids=ids)
    together = of_links({"x": {"w": 1}, "z": {"w": 1}}, ids=ids)
    model = Artifact(
        family="als",
        params={},
        item_ids=("v", "w", "x", "y"),  # z is not known to it
        item_vectors=np.array([[1], [2], [1], [1]], np.float32),
        user_keys=np.empty((0, 2), np.uint64),
        user_vectors=np.empty((0, 1), np.float32),
        encoder="constant",
    )
    lists = mixed_lists(linked, together, model, ENCODERS["constant"], found)
    # By y and z: w alone, of links; by x and z: v and w of links, w of the other, and w first by the model.
    assert [[ids[item] for item in row if item >= 0] for row in lists] == [["w"], ["w", "v"], ["w", "v"]]
    with pytest.raises(TimeoutError):
        mixed_lists(linked, together, model, ENCODERS["constant"], found, spent)


def spent() -> None:
    raise TimeoutError


def test_a_list_counts_by_its_places_and_its_share() -> None:
    first = (np.array([3, 5, 9], np.int32), np.array([1, 7, 1], np.float32), 1.0)
    second = (np.array([9], np.int32), np.array([-4], np.float32), 0.5)
    items, scores = mixed([first, second])
    assert items.tolist() == [3, 5, 9]
    assert scores == pytest.approx([1 / 7, 1 / 6, 1 / 8 + 0.5 / 6])
    assert [len(part) for part in mixed([])] == [0, 0]
