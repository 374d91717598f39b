"""What a short night serves known people, beside the baselines: NDCG@10 of a shop's last four weeks.

The product is what the comparison of a night without a search publishes: als with its defaults and starts against
popular, with trend and repeat purchases treated as validation has found best, above the floor of the gate. It must not
be clearly below "own most frequent, then popular" at any shop.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from common.config import Purchased, Settings
from common.errors import RefusedError
from common.evaluation.baselines import BASELINES
from common.evaluation.baselines.base import judge_baseline
from common.evaluation.bootstrap import paired_interval
from common.evaluation.cases import Relevance
from common.evaluation.judge import PRIMARY, Judgement
from common.models.base import TrainingData
from common.models.registry import make
from common.models.shape import DataShape
from common.usecases.train.comparison import compare_models
from common.usecases.train.evaluator import Candidate, Evaluator
from common.usecases.train.workbench import Order, Workbench
from tests.eval.shop_table import SEED
from tests.memory import memory_context

NIGHT_S = 3600.0
BEFORE = {"factors": 64, "regularization": 1.0}
"""The defaults of als until they were those that two shops agree on."""


def floor_rows(data: TrainingData) -> Iterator[dict[str, Any]]:
    """The product first; `lead` is by how much it is better, with its interval."""
    with TemporaryDirectory() as directory:
        settings = memory_context(Path(directory), tune_trials=0, seed=SEED).settings
        bench = Workbench(data, Order.of(settings))
    assert bench.test is not None
    name, product = _product(bench, data, settings)
    yield _row(name, product, product)
    for called, params in (("als as served before", BEFORE), ("als with its defaults, as served", {})):
        yield _row(called, _as_served(bench, Candidate(make("als", params), "default")), product)
    for baseline in BASELINES:
        try:
            yield _row(baseline.name, judge_baseline(baseline(bench.test.cases.fold), bench.test.cases), product)
        except RefusedError as refusal:
            yield {"name": baseline.name, "left_out": refusal.message}


def _product(bench: Workbench, data: TrainingData, settings: Settings) -> tuple[str, Judgement]:
    windows = bench.windows()
    assert windows is not None
    shape = DataShape.of(data.interactions, settings.max_dim)
    als = make("als")
    models = [als, *(type(als)(config) for config in als.starts)]
    candidates = [Candidate(model.suited(shape), "default") for model in models]
    compared = compare_models(
        windows, candidates, settings, time.monotonic() + NIGHT_S, lambda *_: None, (), lambda *_: None, shape
    )
    assert compared is not None
    final, repeats = compared.final, compared.decisions.repeats
    assert final.winner.as_served is not None
    below = final.below_floor(settings.seed)
    params = final.winner.candidate.model.config.model_dump(mode="json", include={"factors", "regularization"})
    told = f"{final.winner.candidate.model.family} {params}, {repeats.served().decision}"
    return f"the product: {told}{', below the floor' if below else ''}", final.winner.as_served


def _as_served(bench: Workbench, candidate: Candidate) -> Judgement:
    """On the test window, as validation has decided."""
    test: Evaluator | None = bench.test
    assert test is not None
    served = bench.validation.decide(candidate, Relevance.NEW).served(Purchased.AUTO)
    judged = test.evaluate(candidate, served=served).as_served
    assert judged is not None
    return judged


def _row(name: str, judged: Judgement, product: Judgement) -> dict[str, Any]:
    row: dict[str, Any] = {"name": name}
    for relevance in Relevance:
        ours, theirs = product.primary[relevance], judged.primary[relevance]
        low, high = paired_interval(ours, theirs, SEED)
        lead = {"mean": float((ours - theirs).mean()), "low": low, "high": high}
        row[relevance] = {PRIMARY: float(theirs.mean()), "people": len(theirs), "lead": lead}
    return row


def line_of(row: Mapping[str, Any]) -> str:
    if "left_out" in row:
        return f"{row['name']:60}{row['left_out']}"
    cells = []
    for relevance in Relevance:
        lead = row[relevance]["lead"]
        cells.append(
            f"{row[relevance][PRIMARY]:.4f}, product {lead['mean']:+.4f} ({lead['low']:+.4f} to {lead['high']:+.4f})"
        )
    return f"{row['name']:60}{'   '.join(cells)}"
