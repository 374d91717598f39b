"""Update against its own definition: whatever batches came, in whatever order updates, a training and failures fell, in
the end the same is served as if everything had been published at once."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from common.bucket.cache import FileCache
from common.models.artifact import Artifact
from common.schemas.data import EventType
from common.schemas.documents import DueSettings
from common.testing.faults import Fault, FaultyBucket
from common.testing.memory import MemoryBucket
from common.usecases.shared.context import Context
from common.usecases.update.update import update
from tests.memory import memory_context
from tests.property.stepping import Stepper
from tests.shops import Event
from tests.stored import Item, Served, add_batch, fit, publish, read_served, served_document

few = settings(
    max_examples=4,
    deadline=None,
    phases=[Phase.explicit, Phase.reuse, Phase.generate],  # an example costs a second, so it is not shrunk
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
PEOPLE = "abcdefgh"
DUE = DueSettings(half_life_days=20, early=0.3, late=0.2, rebuys=0.6, sold=0.4)


@pytest.fixture(scope="module", autouse=True)
def fixed_length() -> Iterator[None]:
    """The length of unseen items' vectors depends on how many are unseen when a base is made; here on nothing."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("common.usecases.publish.layers.cold.SHARE", 1e9)
        yield


@dataclass
class Shop:
    """Makes batches at random; no two events have one moment, so that rankings have no ties."""

    rng: random.Random
    items: dict[str, Item] = field(default_factory=dict)
    moment: float = 0.0

    def first_batch(self) -> tuple[list[Event], list[Item]]:
        for number in range(9):
            self._new_item(number)
        return [self._event() for _ in range(60)], list(self.items.values())

    def batch(self) -> tuple[list[Event], list[Item]]:
        described = []
        if self.rng.random() < 0.6:
            described.append(self._new_item(len(self.items)))
        if self.rng.random() < 0.4:
            chosen = self.rng.choice(list(self.items.values()))
            self.items[chosen.item_id] = replace(chosen, available=not chosen.available)
            described = [*(item for item in described if item.item_id != chosen.item_id), self.items[chosen.item_id]]
        if self.rng.random() < 0.5:
            chosen = self._priced(self.rng.choice(list(self.items.values())))
            described = [*(item for item in described if item.item_id != chosen.item_id), chosen]
        events = [self._event() for _ in range(self.rng.randrange(6))]
        return events or [] if described else [*events, self._event()], described

    def _new_item(self, number: int) -> Item:
        item = Item(f"i{number:02}", category=f"c{number % 3}", brand=f"b{number % 2}")
        return self._priced(item)

    def _priced(self, item: Item) -> Item:
        """A third of the items are on sale."""
        price, regular = (self.rng.choice([5.0, 6.0]) for _ in range(2))
        self.items[item.item_id] = replace(item, price=price, regular_price=regular if regular > 5 else None)
        return self.items[item.item_id]

    def _event(self) -> Event:
        self.moment += 0.1 + self.rng.random()
        user = self.rng.choice([*PEOPLE, *(f"new{number}" for number in range(3)), None])
        kind = self.rng.choice([EventType.PURCHASE] * 4 + list(EventType))
        return Event(user, self.rng.choice(list(self.items)), self.moment, kind)


def published(directory: Path, shop: Shop) -> tuple[Context, Artifact]:
    ctx = memory_context(directory, FaultyBucket(MemoryBucket()), max_layers=2)
    add_batch(ctx, *shop.first_batch())
    artifact, covers = fit(ctx)
    publish(ctx, artifact, covers, DUE)
    return ctx, artifact


def assert_same(served: Served, wanted: Served) -> None:
    assert {name: rest[:2] for name, rest in served.items.items()} == {n: r[:2] for n, r in wanted.items.items()}
    assert served.people.keys() == wanted.people.keys()
    for person, history in wanted.people.items():
        assert [(item, bought) for item, _, bought in served.people[person]] == [(i, b) for i, _, b in history]
        assert [weight for _, weight, _ in served.people[person]] == pytest.approx([w for _, w, _ in history])
        assert served.due[person].keys() == {item for item, _, bought in history if bought}
        for item, columns in wanted.due[person].items():
            assert served.due[person][item] == pytest.approx(columns, rel=2e-3, abs=2e-3)
        assert served.vectors[person] == pytest.approx(wanted.vectors[person], abs=1e-3)
    for name, (_, _, vector) in wanted.items.items():
        assert served.items[name][2] == pytest.approx(vector, abs=1e-5)
    assert served.popular == wanted.popular
    assert served.popular_in == wanted.popular_in
    assert sorted(served.newest) == sorted(wanted.newest)
    assert sorted(served.on_sale) == sorted(wanted.on_sale)
    assert sorted(served.few_know) == sorted(wanted.few_know)
    popular = [item_id for item_id in served.popular if item_id in served.on_sale]
    assert [item_id for item_id in served.on_sale if item_id in popular] == popular


def assert_as_published_afresh(ctx: Context, artifact: Artifact, shop: Shop) -> None:
    served = read_served(ctx)
    cheaper = {item.item_id for item in shop.items.values() if item.regular_price and item.price < item.regular_price}
    assert set(served.on_sale) == cheaper
    assert len(served.on_sale) == len(cheaper)
    publish(ctx, artifact, 1, DUE)
    assert_same(served, read_served(ctx))


@few
@given(seed=st.integers(0, 10_000), updates=st.lists(st.booleans(), min_size=1, max_size=7))
def test_batch_by_batch_is_the_same_as_all_at_once(seed: int, updates: list[bool]) -> None:
    with TemporaryDirectory() as directory:
        shop = Shop(random.Random(seed))
        ctx, artifact = published(Path(directory), shop)
        for now in updates:
            add_batch(ctx, *shop.batch())
            if now:
                update(ctx)
        update(ctx)
        assert_as_published_afresh(ctx, artifact, shop)


@pytest.mark.slow(lane="faults")
@few
@given(seed=st.integers(0, 10_000))
def test_updates_a_training_and_failures_at_the_same_time(seed: int) -> None:
    rng = random.Random(seed)
    with TemporaryDirectory() as directory:
        shop = Shop(rng)
        ctx, artifact = published(Path(directory), shop)
        add_batch(ctx, *shop.batch())
        store = ctx.bucket
        assert isinstance(store, FaultyBucket)
        # Each on a machine of its own: what one has locked on a disk would stop the others unseen.
        first, second, night = (replace(ctx, cache=FileCache(Path(directory) / name, 1 << 30)) for name in "abc")
        works: list[Stepper[object]] = [
            Stepper(store, lambda bucket: update(replace(first, bucket=bucket))),
            Stepper(store, lambda bucket: update(replace(second, bucket=bucket))),
            Stepper(store, lambda bucket: publish(replace(night, bucket=bucket), artifact, 1, DUE)),
        ]
        batches = 2
        while running := [work for work in works if not work.finished]:
            chance = rng.random()
            if batches and chance < 0.05:
                batches -= 1
                add_batch(ctx, *shop.batch())
            elif chance < 0.07:
                rng.choice(running).kill()
            else:
                failing = Fault.LOST_ANSWER if chance > 0.97 else Fault.FAIL_BEFORE if chance > 0.95 else None
                rng.choice(running).step(failing)
        covered = served_document(ctx).bundle.covers_seq
        update(ctx)
        assert served_document(ctx).bundle.covers_seq >= covered
        assert_as_published_afresh(ctx, artifact, shop)
