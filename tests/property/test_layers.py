"""Whatever the layers redefine and the visitor must not see, the answer is that of brute force over what is left."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

import numpy as np
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from common.ids import UserKey
from common.schemas.data import F32, LayerContent
from common.serving import selection
from common.serving.filters import Filter
from common.serving.ranking import RankingRequest, Rung, rank
from tests.bundles import Goods, History, layer_content, open_layers

DIM = 3
ADA = UserKey(b"a" * 16)


@dataclass
class Item:
    vector: F32
    category: str
    available: bool


@dataclass
class World:
    """Layers, and what they say taken together."""

    layers: list[LayerContent]
    items: dict[int, Item]
    person: History | None


@st.composite
def worlds(draw: st.DrawFn) -> World:
    """A base and deltas that redefine random items, add some, and replace a person."""
    random = np.random.default_rng(draw(st.integers(0, 2**32)))
    items: dict[int, Item] = {}
    layers, person = [], None
    for number in range(draw(st.integers(1, 4))):
        new = range(len(items), len(items) + draw(st.integers(0 if number else 1, 12)))
        changed = draw(st.sets(st.sampled_from(sorted(items)))) if items else set()
        numbers = sorted(changed | set(new))
        said = [_item(random) for _ in numbers]
        items |= dict(zip(numbers, said, strict=True))
        people = {}
        if draw(st.booleans()):
            bought = random.integers(0, len(items), random.integers(0, 6)).tolist()
            person = History(bought, random.standard_normal(DIM).astype(np.float32))
            people = {ADA: person}
        layers.append(layer_content(_goods(numbers, said), people, {"gram": np.eye(DIM, dtype=np.float32)}))
    return World(layers, items, person)


def _item(random: np.random.Generator) -> Item:
    vector = random.standard_normal(DIM).astype(np.float32)
    return Item(vector, category=f"c{random.integers(3)}", available=bool(random.random() < 0.8))


def _goods(numbers: list[int], said: list[Item]) -> Goods:
    return Goods(
        numbers,
        np.array([item.vector for item in said], np.float32).reshape(-1, DIM),
        categories=[item.category for item in said],
        available=[item.available for item in said],
    )


@settings(max_examples=25, deadline=None, phases=(Phase.reuse, Phase.generate))  # shrinking writes layers for minutes
@given(
    world=worlds(),
    n=st.integers(1, 15),
    excluded=st.sets(st.integers(0, 11)),
    category=st.sampled_from([None, "c0", "c1"]),
    by_index=st.booleans(),
)
def test_an_answer_is_the_best_of_what_may_be_shown(
    world: World, n: int, excluded: set[int], category: str | None, by_index: bool
) -> None:
    hide = np.array(sorted(number for number in excluded if number in world.items), np.int32)
    wanted = Filter(categories=(category,)) if category else Filter()
    with tempfile.TemporaryDirectory() as directory, patch.object(selection, "EXACT_MAX", 0 if by_index else 10_000):
        bundle = open_layers(world.layers, Path(directory))
        person = bundle.find_person(ADA)
        picks = rank(bundle, RankingRequest(n=n, wanted=wanted, person=person, hide=hide))
    may = [
        number
        for number, item in world.items.items()
        if item.available and number not in excluded and category in (None, item.category)
    ]
    assert len(picks) == min(n, len(may))
    assert len({pick.item_no for pick in picks}) == len(picks)
    assert {pick.item_no for pick in picks} <= set(may)
    if world.person is None or world.person.vector is None:
        assert {pick.rung for pick in picks} <= {Rung.NEWEST}
        return
    assert person is not None
    assert person.items.tolist() == list(world.person.items)
    scores = {number: float(world.items[number].vector @ world.person.vector) for number in may}
    assert {pick.rung for pick in picks} <= {Rung.PERSONAL}
    np.testing.assert_allclose(
        [scores[pick.item_no] for pick in picks], sorted(scores.values(), reverse=True)[:n], atol=1e-5
    )
