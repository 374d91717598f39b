"""Which model a training run fits on everything: the contest's winner, or what stands in where nobody can judge."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from common.config import Purchased, Settings
from common.errors import BadRequest, RefusedError
from common.evaluation.split import temporal_split
from common.models.base import Model, TrainingData
from common.models.popular import Popular
from common.models.registry import FAMILIES, make
from common.schemas.documents import ModelInfo, RepeatPurchases
from common.usecases import figures
from common.usecases.contest import Outcome, Step, hold_contest
from common.usecases.trials import POPULAR, Candidate

NO_EVALUATION = "evaluation was switched off"
NOBODY = "too little data to judge by: nobody bought both before and after a day near the end of it"


@dataclass(frozen=True)
class Order:
    """What a run is asked for. `families` in order of preference; `deadline` on the clock of `time.monotonic`; `served`
    is the model that is served now."""

    families: tuple[str, ...]
    evaluate: bool
    deadline: float
    threads: int
    served: ModelInfo | None


@dataclass(frozen=True)
class Choice:
    """`models`: the one to fit on everything, and the next best should it not be able to learn. `repeats` is what to do
    under the first with what people have bought, None where nothing tells, and `trend` its weight as `with_trend` takes
    it. `gist` and `full` are the figures behind it; `refusal` says why nothing may be published."""

    models: tuple[Model, ...]
    gist: dict[str, Any]
    full: dict[str, Any] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    refusal: str | None = None
    repeats: RepeatPurchases | None = None
    trend: float = 0.0


def choose(data: TrainingData, order: Order, settings: Settings, step: Step) -> Choice:
    if not order.evaluate:
        return _unjudged(order, NO_EVALUATION)
    outcome = _contest(data, order, settings, step)
    if outcome is None:
        return _unjudged(order, NOBODY)
    finals, notices = outcome.finals, outcome.notices
    refusal = finals.refusal(outcome.question, settings.gate_margin)
    published = finals.winner
    if refusal and order.served is None:
        notices = (*notices, f"popular is published until a model is better: {refusal}")
        published, refusal = finals.popular, None
    decided = outcome.decisions.served(Purchased.AUTO) if published is finals.winner else None
    return Choice(
        models=(published.candidate.model, POPULAR.model),
        gist=figures.gist(outcome, published, settings.seed),
        full=figures.full(outcome, published, settings.seed),
        notices=notices,
        refusal=refusal,
        repeats=decided.repeats if decided else None,
        trend=decided.trend if decided else 0.0,
    )


def _contest(data: TrainingData, order: Order, settings: Settings, step: Step) -> Outcome | None:
    split = temporal_split(data.interactions, settings.validation_days, settings.test_days)
    if split is None:
        return None
    try:
        return hold_contest(split, data.catalogue, _candidates(order), settings, order.threads, order.deadline, step)
    except RefusedError:
        # Before the windows there is nothing that even popular could learn from.
        return None


def _candidates(order: Order) -> list[Candidate]:
    """What is served, then every family's defaults, then their other starts; popular takes part anyway."""
    served = _served_model(order.served)
    found = [Candidate(served, "served")] if served else []
    families = [FAMILIES[family] for family in order.families if family != Popular.family]
    found += [Candidate(make(family.family), "default") for family in families]
    found += [Candidate(family(config), "start") for family in families for config in family.starts]
    first: dict[tuple[str, str], Candidate] = {}
    for candidate in found:
        first.setdefault((candidate.model.family, candidate.model.config.model_dump_json()), candidate)
    return list(first.values())


def _served_model(served: ModelInfo | None) -> Model | None:
    """None where nothing is served, or by a family or settings that this release does not have."""
    if served is None:
        return None
    try:
        return make(served.family, served.params)
    except BadRequest:
        return None


def _unjudged(order: Order, reason: str) -> Choice:
    """What is served if there is a choice, or else the first family's defaults; popular if they cannot learn."""
    served = _served_model(order.served)
    models = [make(family) for family in order.families]
    repeats, trend = None, 0.0
    if served and order.served and served.family in order.families:
        models.insert(0, served)
        repeats, trend = order.served.repeats, order.served.encoder_params.get("trend", 0.0)
    gist = {"judged_by": None, "reason": reason}
    notices = (f"not judged: {reason}",)
    return Choice((*models, POPULAR.model), gist, notices=notices, repeats=repeats, trend=trend)
