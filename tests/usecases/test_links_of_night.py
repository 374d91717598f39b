"""Which places links answer after a night: those that they answer clearly better than the selected model."""

from __future__ import annotations

import json
import time
from pathlib import Path

import numpy as np
import pytest

from common.config import Settings
from common.models.base import TrainingData
from common.models.registry import make
from common.schemas.data import EventType
from common.schemas.documents import RunState
from common.schemas.links import Place
from common.usecases.train.links import BUDGET_SHARE, LinksOfNight, links_budget_s, links_of_night, told
from common.usecases.train.model_selection import TrainPlan
from common.usecases.train.selected_model import SelectedModel
from common.usecases.train.train import TrainOptions, train
from common.usecases.train.workbench import Order, Workbench
from tests.memory import memory_context
from tests.shops import Event, interactions
from tests.stored import Item, add_batch, open_served, served_document

N = 24
MINUTE = 1 / 1440


def trails(days: int = 40) -> list[Event]:
    """People who look at items in a circle, item after item, and then buy any item."""
    rng = np.random.default_rng(5)
    events = []
    for day in range(days):
        for person in rng.choice(40, 10, replace=False).tolist():
            start, at = int(rng.integers(N)), day + person / 50
            for step in range(4):
                events.append(Event(f"u{person}", f"i{(start + step) % N:02}", at + step * MINUTE, EventType.VIEW))
            events.append(Event(f"u{person}", f"i{rng.integers(N):02}", at + 6 * MINUTE))
    return events


def at_random(days: int = 40) -> list[Event]:
    """People who look at whatever, so that nothing comes after anything."""
    rng = np.random.default_rng(6)
    return [
        Event(f"u{person}", f"i{rng.integers(N):02}", day + person / 50 + step * MINUTE, EventType.VIEW)
        for day in range(days)
        for person in rng.choice(40, 10, replace=False).tolist()
        for step in range(4)
    ]


def settings(directory: Path) -> Settings:
    return memory_context(directory, validation_days=10, test_days=10, tune_trials=2).settings


def found(directory: Path, events: list[Event], seconds: float = 300) -> LinksOfNight:
    data, shop = TrainingData(interactions(events)), settings(directory)
    selected = SelectedModel(Workbench(data, Order.of(shop)), make("popular"))
    return links_of_night(data, selected, shop, seconds)


@pytest.mark.slow(lane="train")
def test_links_that_are_clearly_better_are_published_beside_the_model(tmp_path: Path) -> None:
    ctx = memory_context(tmp_path, validation_days=10, test_days=10, tune_trials=0)
    add_batch(ctx, trails(), [Item(f"i{number:02}") for number in range(N)])
    run = train(ctx, TrainOptions(families=("cooccurrence",), budget_s=600))
    assert run.state is RunState.DONE
    bundle = served_document(ctx).bundle
    assert bundle.model.family == "popular", "links alone answer nobody who is known"
    assert list(bundle.beside) == ["visit"]
    assert bundle.beside["visit"].family == "cooccurrence"
    figures = bundle.beside["visit"].metrics
    assert figures["model"]["ndcg@10"] > 1.3 * figures["of_rival"]["ndcg@10"]
    assert figures["lead"]["low"] > 0
    served = open_served(ctx)
    links, start = served.linked(Place.VISIT), served.items.find("i05")
    assert links is not None
    assert start is not None
    answer = links.of(np.array([start], np.int32))
    assert answer.item_nos[answer.scores.argmax()] == served.items.find("i06")
    [notice] = [notice for notice in run.notices if "of nobody known" in notice]
    assert notice.startswith("a visit of nobody known is answered by cooccurrence: ndcg@10")
    blob = ctx.bucket.get(ctx.keys.model_file(run.run_id, "metrics.json"))
    assert blob is not None
    assert json.loads(blob.data)["links"]["visit"]["published"] is True


def test_links_that_are_not_better_are_judged_and_left_out(tmp_path: Path) -> None:
    night = found(tmp_path, at_random())
    assert night.beside == {}
    assert night.figures["visit"]["published"] is False
    assert night.figures["visit"]["lead"]["low"] <= 0
    assert told(night)[0].startswith("a visit of nobody known is answered by popular: ")


def test_nothing_is_asked_without_time_or_visits(tmp_path: Path) -> None:
    assert found(tmp_path, trails(), seconds=0) == LinksOfNight()
    alone = [Event(f"u{day % 9}", f"i{day % 7:02}", day) for day in range(60)]
    assert found(tmp_path, alone) == LinksOfNight()


def test_a_place_without_links_says_why(tmp_path: Path) -> None:
    few = [
        Event(f"u{day % 3}", f"i{(day + step) % 7:02}", day + step * MINUTE) for day in range(60) for step in range(3)
    ]
    night = found(tmp_path, few)
    assert night.beside == {}
    assert [notice.partition(":")[0] for notice in night.notices] == ["no links of a visit", "no links of a basket"]
    assert "in the visits of 5 people" in night.notices[0]


@pytest.mark.parametrize(
    ("families", "evaluate", "share"),
    [(("als", "cooccurrence"), True, BUDGET_SHARE), (("als",), True, 0), (("cooccurrence",), False, 0)],
)
def test_links_take_their_share_of_the_night_where_they_are_wanted(
    families: tuple[str, ...], evaluate: bool, share: float
) -> None:
    plan = TrainPlan(families, evaluate, time.monotonic() + 1000, None)
    assert links_budget_s(plan) == pytest.approx(1000 * share, rel=0.1)
