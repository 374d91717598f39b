"""What a night decides of `buy-again`: what is due by what was bought again, or own most frequent."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from common.config import Settings
from common.evaluation.due import DECAYED, DUE, FREQUENT, OWN_FREQUENT, RIVALS, USUAL, scores_of_due, scores_of_rivals
from common.models.base import TrainingData
from common.schemas.data import EventType
from common.schemas.documents import DueSettings, RunState
from common.usecases.train import due as due_module
from common.usecases.train.due import DueOfNight, due_of_night, told_of_due
from common.usecases.train.train import TrainOptions, train
from tests.memory import memory_context
from tests.shops import Event, interactions
from tests.stored import Item, add_batch, served_document

SERVED = DueSettings(half_life_days=50, late=0.1)


def rhythms(people: int = 40) -> list[Event]:
    """Everybody buys coffee every week all the time, and has bought beans every other day until they were no more."""
    events = []
    for number in range(people):
        user = f"u{number:02}"
        events += [Event(user, "coffee", day + number % 7) for day in range(0, 150, 7)]
        events += [Event(user, f"beans{number % 3}", day) for day in range(0, 100, 2)]
        events += [Event(user, f"once{number % 9}", 60 + number)]
    return [event for event in events if event.day < 150]


def random_purchases() -> list[Event]:
    """Nobody has a rhythm."""
    rng = np.random.default_rng(4)
    return [
        Event(f"u{rng.integers(20):02}", f"i{rng.integers(12):02}", float(day)) for day in rng.uniform(0, 150, 4_000)
    ]


def settings(directory: Path) -> Settings:
    return memory_context(directory, validation_days=28, test_days=28).settings


def found(directory: Path, events: list[Event], seconds: float = 300) -> DueOfNight:
    return due_of_night(TrainingData(interactions(events)), settings(directory), seconds, SERVED)


def test_rhythms_are_found_and_told(tmp_path: Path) -> None:
    night = found(tmp_path, rhythms())
    figures = night.figures
    assert figures["taken"]
    assert night.settings is not None
    assert night.settings.model_dump() == figures["settings"]
    best = max(figures["tried"], key=lambda tried: tried["ndcg"])
    assert figures["settings"].items() <= best.items()
    rows = {row["name"]: row["horizons"]["28"] for row in figures["table"]}
    assert tuple(rows) == (DUE, *RIVALS)
    assert rows[DUE]["ndcg@10"]["mean"] > rows[FREQUENT]["ndcg@10"]["mean"]
    assert rows[DECAYED]["lead"]["low"] > 0
    [line] = told_of_due(night)
    assert line.startswith("buy-again is ranked by what is due: ndcg@10 of what was bought again in 28 days is ")


def test_without_rhythms_own_most_frequent_is_served(tmp_path: Path) -> None:
    night = found(tmp_path, random_purchases())
    assert (night.settings, night.figures["taken"]) == (OWN_FREQUENT, False)
    assert told_of_due(night)[0].startswith("buy-again is ranked by own most frequent, decayed: ")


@pytest.mark.parametrize("rival", [FREQUENT, DECAYED])
def test_both_kinds_of_own_most_frequent_must_be_beaten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rival: str
) -> None:
    monkeypatch.setattr(
        due_module, "scores_of_rivals", lambda cases: {**scores_of_rivals(cases), rival: scores_of_due(cases, USUAL)}
    )
    monkeypatch.setattr(due_module, "choose_due", lambda *_: (USUAL, []))
    assert not found(tmp_path, rhythms()).figures["taken"]


@pytest.mark.parametrize(
    "events",
    [
        [Event(f"u{number}", f"i{number % 3}", number * 5) for number in range(30)],
        [Event("a", "x", 1)],
        [Event("a", "x", day, EventType.VIEW) for day in range(90)],
        [Event(None, "x", day) for day in range(90)],
        [],
    ],
    ids=["nobody twice", "one", "views", "nobody known", "none"],
)
def test_where_nobody_buys_again_what_was_served_stays(tmp_path: Path, events: list[Event]) -> None:
    night = found(tmp_path, events)
    assert (night.settings, night.figures, told_of_due(night)) == (SERVED, {}, ())


def test_without_time_what_was_served_stays(tmp_path: Path) -> None:
    assert found(tmp_path, rhythms(), 0) == DueOfNight(SERVED)


def test_with_little_time_the_usual_settings_are_judged(tmp_path: Path) -> None:
    night = found(tmp_path, rhythms(), 1e-9)
    assert [tried["sold"] for tried in night.figures["tried"]] == [USUAL.sold]
    assert night.settings in (USUAL, OWN_FREQUENT)


@pytest.mark.slow(lane="train")
def test_a_training_serves_and_reports_what_it_found(tmp_path: Path) -> None:
    shop = memory_context(tmp_path, validation_days=28, test_days=28, train_budget_s=60)
    events = rhythms(15)
    add_batch(shop, events, [Item(item) for item in {event.item for event in events}])
    record = train(shop, TrainOptions(families=("popular",)))
    assert record.state is RunState.DONE
    model = served_document(shop).bundle.model
    assert model.due is not None
    assert any(notice.startswith("buy-again is ranked by") for notice in record.notices)
    assert train(shop, TrainOptions(families=("popular",), evaluate=False)).state is RunState.DONE
    assert served_document(shop).bundle.model.due == model.due
