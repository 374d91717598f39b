"""What is asked of visits and baskets, and how the answers of both shapes of model are counted."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest

from common.evaluation.baselines.lift import SHRINKAGE, fit_lift
from common.evaluation.links import scores_of_links
from common.evaluation.split import temporal_split
from common.evaluation.visits import MAX_BASKET, Questions, judge_visits, questions_of
from common.models.artifact import Artifact
from common.models.base import FitOptions, TrainingData
from common.schemas.data import EventType, Interactions
from common.schemas.links import Place
from common.serving.encoders import ENCODERS
from tests.shops import Event, interactions

MINUTE = 1 / 1440


def asked(events: list[Event], place: Place) -> list[tuple[list[str], str, int]]:
    """The questions by ids: given, target, number of the visit."""
    data = interactions(events)
    questions = _questions(data, place)
    spans = zip(questions.offsets, questions.offsets[1:], questions.targets, questions.visits, strict=False)
    return [
        ([data.item_ids[item] for item in questions.given[start:end]], data.item_ids[target], int(visit))
        for start, end, target, visit in spans
    ]


def _questions(data: Interactions, place: Place) -> Questions:
    split = temporal_split(data, 10, 0)
    assert split is not None
    questions = questions_of(place, split.validation, 1)
    assert questions is not None
    return questions


PAST = [Event("a", item, day) for day, item in enumerate("xyzvw" * 4)]


def test_each_item_of_a_visit_is_asked_for_by_those_before_it() -> None:
    visit = [Event("b", item, 22 + step * MINUTE, EventType.VIEW) for step, item in enumerate("xyxz")]
    assert asked([*PAST, *visit, Event("c", "x", 23)], Place.VISIT) == [(["x"], "y", 0), (["x", "y", "x"], "z", 0)]


def test_lines_of_one_moment_are_a_basket_and_no_visit() -> None:
    order = [Event("b", item, 22, order=3) for item in "xyx"]
    later = [Event("c", item, 23 + step * MINUTE) for step, item in enumerate("vw")]
    assert asked([*PAST, *order, *later], Place.VISIT) == [(["v"], "w", 0)]
    assert asked([*PAST, *order, *later], Place.BASKET) == [
        (["y"], "x", 0),
        (["x"], "y", 0),
        (["w"], "v", 1),
        (["v"], "w", 1),
    ]


def test_views_are_no_line_of_a_basket_and_long_baskets_do_not_ask_everything() -> None:
    seen = [Event("b", "x", 22, EventType.VIEW), Event("b", "y", 22.001), Event("b", "z", 22.002)]
    assert {target for _, target, _ in asked([*PAST, *seen], Place.BASKET)} == {"y", "z"}
    long = [Event("b", f"n{number:02}", 22, order=3) for number in range(MAX_BASKET + 4)]
    questions = asked([*PAST, Event("b", "x", 22, order=3), *long], Place.BASKET)
    assert len(questions) == MAX_BASKET - 1, "of x all other lines are unknown"


def test_what_nothing_is_known_of_is_not_asked() -> None:
    data = interactions([*PAST, Event("b", "new", 22), Event("b", "newer", 22 + MINUTE)])
    split = temporal_split(data, 10, 0)
    assert split is not None
    assert questions_of(Place.VISIT, split.validation, 1) is None


@pytest.mark.parametrize("place", Place)
def test_a_visit_counts_once_whatever_its_length(place: Place) -> None:
    long = [Event("b", item, 22 + step * MINUTE, order=1) for step, item in enumerate("xyzv")]
    short = [Event("c", item, 23 + step * MINUTE, order=2) for step, item in enumerate("yz")]
    questions = _questions(interactions([*PAST, *long, *short]), place)
    assert questions.visits.max() == 1
    assert math.isclose(len(questions), 4 if place is Place.VISIT else 6)


def of_links(
    rows: Mapping[str, Mapping[str, float]], ids: Sequence[str] = "vwxyz", memory: float = 1e9, own: float = 0.0
) -> Artifact:
    """A model of links whose rows go by ids; a visit forgets nothing by default."""
    nos = [no for no, item in enumerate(ids) if item in rows]
    listed = [sorted((ids.index(other), weight) for other, weight in rows[ids[no]].items()) for no in nos]
    return Artifact(
        family="cooccurrence",
        params={},
        item_ids=tuple(ids),
        item_vectors=np.empty((len(ids), 0), np.float32),
        user_keys=np.empty((0, 2), np.uint64),
        user_vectors=np.empty((0, 0), np.float32),
        encoder="links",
        encoder_params={"memory": memory, "own": own},
        encoder_arrays={
            "link_nos": np.array(nos, np.int32),
            "link_offsets": np.cumsum([0, *map(len, listed)]),
            "link_items": np.array([other for row in listed for other, _ in row], np.int32),
            "link_weights": np.array([weight for row in listed for _, weight in row], np.float32),
        },
    )


VISIT = [Event("b", item, 22 + step * MINUTE, EventType.VIEW) for step, item in enumerate("xyz")]


def test_the_answer_of_links_is_counted_without_the_items_of_the_visit() -> None:
    questions = _questions(interactions([*PAST, *VISIT, Event("c", "x", 23)]), Place.VISIT)
    # x leads to y, which is right; then x and y lead to v, x again and z, in this order, and x is not shown.
    links = of_links({"x": {"y": 2, "v": 1}, "y": {"x": 9, "z": 0.5}})
    judged = judge_visits(links, questions, None)
    assert judged.metrics["hit_rate@20"] == 1
    assert judged.metrics["mrr@20"] == pytest.approx((1 + 1 / 2) / 2)
    assert judged.metrics["visits"] == 1
    assert judged.primary == pytest.approx([(1 + 1 / math.log2(3)) / 2])


def test_an_item_that_links_do_not_lead_to_is_missed() -> None:
    questions = _questions(interactions([*PAST, *VISIT, Event("c", "x", 23)]), Place.VISIT)
    assert judge_visits(of_links({"x": {"v": 2}}), questions, None).metrics["hit_rate@20"] == 0
    unknown = of_links({"x": {"y": 2}}, ids="vwxy")
    assert judge_visits(unknown, questions, None).metrics["hit_rate@20"] == 0.5, "z is not known to the model"


def test_vectors_are_asked_the_same() -> None:
    questions = _questions(interactions([*PAST, *VISIT, Event("c", "x", 23)]), Place.VISIT)
    vectors = Artifact(
        family="popular",
        params={},
        item_ids=tuple("vwxyz"),
        item_vectors=np.array([[1], [0], [9], [8], [5]], np.float32),
        user_keys=np.empty((0, 2), np.uint64),
        user_vectors=np.empty((0, 1), np.float32),
        encoder="constant",
    )
    judged = judge_visits(vectors, questions, ENCODERS["constant"])
    assert judged.metrics["mrr@20"] == 1, "x and y are in the visit, so y comes first and then z"


def test_lift_divides_what_was_together_by_what_chance_would_give() -> None:
    baskets = enumerate(("xy", "xy", "xz"))
    orders = [Event(f"u{order}", item, order, order=order) for order, items in baskets for item in items]
    lift = fit_lift(TrainingData(interactions(orders)), FitOptions(1, 1, 0)).links
    assert lift is not None
    # Of six links three leave x, two arrive at y and one at z.
    expected = [2 / (3 * 2 / 6 + SHRINKAGE), 1 / (3 * 1 / 6 + SHRINKAGE)]
    assert lift.weights[lift.span(0) or slice(0)] == pytest.approx(expected)


@pytest.mark.parametrize("visits", [0, 1, 3])
def test_each_visit_has_its_scores(visits: int) -> None:
    links = of_links({"x": {"y": 2}})
    items = np.full(visits, "vwxyz".index("x"), np.int32)
    parts = list(scores_of_links(links, np.arange(visits + 1), items))
    assert [(part.start, part.stop) for part, _ in parts] == ([(0, visits)] if visits else [])
    assert [scores.toarray()[:, 3].tolist() for _, scores in parts] == ([[2.0] * visits] if visits else [])
