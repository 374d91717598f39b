"""The blend of a night: chosen by what was bought instead, and not taken where it is clearly worse than vectors."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from common.config import Settings
from common.evaluation.split import temporal_split
from common.models.als import ALS
from common.models.artifact import Artifact
from common.models.base import FitOptions, TrainingData
from common.models.registry import make
from common.models.shape import DataShape
from common.schemas.data import EventType
from common.schemas.documents import DEFAULT_BLEND, RunState, SimilarBlend
from common.usecases.train import similar as similar_module
from common.usecases.train.report.make import make_report
from common.usecases.train.selected_model import SelectedModel
from common.usecases.train.similar import BLEND, VECTORS, SimilarOfNight, similar_of_night, told_of_similar
from common.usecases.train.train import TrainOptions, train
from common.usecases.train.workbench import Order, Workbench
from tests.memory import memory_context
from tests.shops import Event, catalogue, interactions
from tests.stored import Item, add_batch, served_document

N = 10
KINDS = ("cheese", "bread")


def swaps(days: int = 60) -> list[Event]:
    """People who buy a product of each category a day, and always change between two of them."""
    rng = np.random.default_rng(8)
    events = []
    for person in range(40):
        pairs = {kind: rng.permutation(N)[0] // 2 * 2 for kind in KINDS}
        for day in range(0, days, 4):
            for kind in KINDS:
                item = pairs[kind] + (day // 4) % 2
                events.append(Event(f"u{person:02}", f"{kind}{item}", day + person / 100, order=day * 100 + person))
    return events


CATALOGUE = catalogue([(f"{kind}{number}", kind, "maker", 1.0 + number) for kind in KINDS for number in range(N)])
GOODS = [Item(f"{kind}{number}", kind, "maker", 1.0 + number) for kind in KINDS for number in range(N)]
DATA = TrainingData(interactions(swaps()), CATALOGUE)


ORDER = Order(14, 14, 1, 1)


def settings(directory: Path) -> Settings:
    return memory_context(directory, validation_days=14, test_days=14).settings


def selected(directory: Path, data: TrainingData = DATA) -> SelectedModel:
    model = make("als").suited(DataShape.of(data.interactions, 256))
    return SelectedModel(Workbench(data, Order.of(settings(directory))), model)


def found(directory: Path, data: TrainingData = DATA, seconds: float = 300) -> SimilarOfNight:
    return similar_of_night(data, selected(directory, data), settings(directory), seconds, 28)


def test_the_blend_is_chosen_judged_and_told(tmp_path: Path) -> None:
    night = found(tmp_path)
    assert night.blend in similar_module.BLENDS
    figures = night.figures
    assert figures["taken"]
    assert figures["what"] == "interchange"
    assert len(figures["tried"]) == len(similar_module.BLENDS)
    rows = {row["name"]: row for row in figures["table"]}
    assert rows.keys() == {BLEND, VECTORS, *similar_module.YARDSTICKS}
    assert rows[BLEND]["ndcg@10"]["mean"] > 0.99 > 0.9 > rows["popular in the category"]["ndcg@10"]["mean"]
    assert rows[BLEND]["same_category"] == 1.0
    assert rows["popular in the category"]["lead"]["low"] > 0
    [line] = told_of_similar(night)
    assert line.startswith("similar items are found by the blend: ndcg@10 of what was bought instead 1.0000")


def test_a_blend_that_is_clearly_worse_than_vectors_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Dear things beside dear ones is the wrong idea here."""
    alone = dict.fromkeys(SimilarBlend.model_fields, 0.0)
    monkeypatch.setattr(similar_module, "BLENDS", (SimilarBlend(**{**alone, "price": 1.0}),))
    odd = catalogue(
        [(f"{kind}{no}", kind, "", 10.0 ** (no % 2 * 3 + no // 2 % 2)) for kind in KINDS for no in range(N)]
    )
    night = found(tmp_path, TrainingData(DATA.interactions, odd))
    assert night.blend is None
    assert night.figures["taken"] is False
    assert told_of_similar(night)[0].startswith("similar items are found by nearest vectors")


def test_the_selected_model_is_fitted_once_for_each_window_and_on_what_is_before_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fits: list[tuple[int, int]] = []
    fit = ALS.fit

    def counted(self: ALS, data: TrainingData, options: FitOptions) -> Artifact:
        fits.append((options.now_s, int(data.interactions.ts[-1])))
        return fit(self, data, options)

    monkeypatch.setattr(ALS, "fit", counted)
    model = selected(tmp_path)
    for _ in range(2):
        assert similar_of_night(DATA, model, settings(tmp_path), 300, 28).figures
    split = temporal_split(DATA.interactions, 14, 14)
    assert split is not None
    assert split.test is not None
    folds = (split.validation, split.test)
    assert fits == [(fold.cut_s, int(fold.past.ts[-1])) for fold in folds]


@pytest.mark.parametrize("seconds", [0, -1e9])
def test_without_time_the_usual_blend_is_taken(tmp_path: Path, seconds: float) -> None:
    night = found(tmp_path, seconds=seconds)
    assert night.blend == DEFAULT_BLEND
    assert night.figures == {}


def test_without_categories_there_is_nothing_to_judge(tmp_path: Path) -> None:
    bare = catalogue([(item_id, "", "", 1.0) for item_id in CATALOGUE.item_ids])
    assert found(tmp_path, TrainingData(DATA.interactions, bare)) == SimilarOfNight()
    assert found(tmp_path, TrainingData(DATA.interactions)) == SimilarOfNight()


def test_without_categories_what_is_viewed_next_is_judged(tmp_path: Path) -> None:
    """Guests who look at a thing and at the next one of a ring; a catalogue that says nothing."""
    rng = np.random.default_rng(4)
    starts = enumerate(rng.integers(0, N, 600).tolist())
    seen = [
        Event(None, f"i{(start + step) % N}", visit / 10 + step / 1440, EventType.VIEW, session=visit)
        for visit, start in starts
        for step in range(2)
    ]
    bare = catalogue([(f"i{number}", "", "", float("nan")) for number in range(N)])
    data = TrainingData(interactions(seen), bare)
    night = similar_of_night(data, SelectedModel(Workbench(data, ORDER), make("popular")), settings(tmp_path), 300, 28)
    assert night.blend == DEFAULT_BLEND
    assert night.figures["what"] == "next_viewed"
    assert len(night.figures["tried"]) == 1, "blends differ within categories"
    rows = {row["name"]: row for row in night.figures["table"]}
    assert rows[BLEND]["metrics"]["hit_rate@5"] == 1
    assert rows[VECTORS]["lead"]["low"] > 0
    assert rows[BLEND]["same_category"] is None


@pytest.mark.slow(lane="train")
def test_a_night_publishes_its_blend_with_its_figures(tmp_path: Path) -> None:
    ctx = memory_context(tmp_path, validation_days=14, test_days=14, tune_trials=0)
    add_batch(ctx, swaps(), GOODS)
    run = train(ctx, TrainOptions(families=("als",), budget_s=600))
    assert run.state is RunState.DONE
    model = served_document(ctx).bundle.model
    assert model.similar is not None
    assert model.similar in similar_module.BLENDS
    assert any(notice.startswith("similar items are found by the blend") for notice in run.notices)
    blob = ctx.bucket.get(ctx.keys.model_file(run.run_id, "metrics.json"))
    assert blob is not None
    figures = json.loads(blob.data)
    assert figures["similar"]["blend"] == model.similar.model_dump()
    section = make_report(figures, None).similar
    assert section is not None
    assert section.taken
    assert [row.name for row in section.table] == [BLEND, VECTORS, *similar_module.YARDSTICKS]
    assert train(ctx, TrainOptions(families=("als",), evaluate=False)).state is RunState.DONE
    assert served_document(ctx).bundle.model.similar == model.similar, "an unjudged training keeps it"
