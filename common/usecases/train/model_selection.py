"""The selection of the model to fit on all data: the winner of the comparison, or a substitute where there are no cases
to judge by."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

from common.config import Purchased, Settings
from common.errors import BadRequest, RefusedError, Stopped
from common.models.base import Model, ModelConfig
from common.models.popular import Popular
from common.models.popularity import WINDOW_DAYS
from common.models.registry import FAMILIES, families_for_people, make
from common.models.shape import DataShape
from common.schemas.documents import ModelInfo, RepeatPurchases
from common.usecases.train import metrics_json as figures
from common.usecases.train.candidate_round import NotTried, ReportStep
from common.usecases.train.comparison import Comparison, Remember, compare_models
from common.usecases.train.evaluator import POPULAR, Candidate, popular_of
from common.usecases.train.learned import Learned
from common.usecases.train.workbench import Bench

NO_EVALUATION = "evaluation was switched off"
NO_TIME = "the time budget was spent before a model was judged"
TIMELESS = "the times of the events tell nothing of what is newer for a person: no model forgets with time"
NOBODY = "too little data to judge by: nobody bought both before and after a day near the end of it"


@dataclass(frozen=True)
class TrainPlan:
    """What a run is asked for.

    families: in order of preference
    evaluate: whether models are compared
    deadline: when the last fit must have ended, on the clock of `time.monotonic`
    served: the model that is served now
    earlier: what trainings had learned that were killed
    shape: of the data; None: every family is tried with its own settings
    named: whether the families were asked for by name, so that each is tried however little there is
    """

    families: tuple[str, ...]
    evaluate: bool
    deadline: float
    served: ModelInfo | None
    earlier: tuple[Learned, ...] = ()
    shape: DataShape | None = None
    named: bool = False

    @property
    def too_few_events(self) -> tuple[NotTried, ...]:
        """The families that are not tried, because there are too few events for them."""
        if self.named or self.shape is None:
            return ()
        events = self.shape.events
        return tuple(
            NotTried(family, "default", _too_few(events, least), begun=False)
            for family in self.families
            if events < (least := FAMILIES[family].least_events)
        )

    def suited(self, model: Model[ModelConfig]) -> Model[ModelConfig]:
        """The model with settings that the data can carry."""
        return model.suited(self.shape) if self.shape else model


def _too_few(events: int, least: int) -> str:
    return f"there are {events:,} events, and below {least:,} it takes long to learn nothing"


@dataclass(frozen=True)
class ModelSelection:
    """The selected models and the figures behind them.

    models: the model to fit on all data, and the next ones if it cannot learn
    summary, full: the figures
    refusal: the reason why nothing may be published
    not_tried: the candidates without a result
    kept_until_s: epoch seconds until which the winner had learned that the comparison has kept; None without one
    repeats: the treatment of repeat purchases under the first model, None where it is not known
    trend: its weight under the first model, as `with_trend` takes it
    popular_days: the window of what is popular
    """

    models: tuple[Model[ModelConfig], ...]
    summary: dict[str, Any]
    full: dict[str, Any] = field(default_factory=dict)
    notices: tuple[str, ...] = ()
    refusal: str | None = None
    repeats: RepeatPurchases | None = None
    trend: float = 0.0
    popular_days: float = WINDOW_DAYS
    not_tried: tuple[NotTried, ...] = ()
    kept_until_s: int | None = None


def select_model(
    bench: Bench, plan: TrainPlan, settings: Settings, step: ReportStep, remember: Remember = lambda *_: None
) -> ModelSelection:
    """The models to fit, by a comparison under the plan; without evaluation or cases, what is served or the
    defaults. Raises `Stopped` where there was no time to judge what is served."""
    selection = _selected(bench, plan, settings, step, remember)
    if plan.shape is None or plan.shape.timed:
        return selection
    return replace(selection, notices=(TIMELESS, *selection.notices))


def _selected(
    bench: Bench, plan: TrainPlan, settings: Settings, step: ReportStep, remember: Remember
) -> ModelSelection:
    if not plan.evaluate:
        return _unjudged(plan, NO_EVALUATION)
    try:
        comparison = _compare(bench, plan, settings, step, remember)
    except Stopped as stop:
        if plan.served:
            raise Stopped(f"{NO_TIME}; what was served stays: {stop.message}", stop.cause) from stop
        summary = {"judged_by": None, "reason": NO_TIME}
        return ModelSelection((POPULAR.model,), summary, notices=(f"not judged: {NO_TIME}",))
    if comparison is None:
        return _unjudged(plan, NOBODY)
    final, notices = comparison.final, comparison.notices
    refusal = final.refusal(comparison.relevance, settings.gate_margin)
    published = final.winner
    if comparison.served_ended and published is final.popular and not refusal:
        refusal = f"popular replaces no model that was not judged: {comparison.served_ended}"
    below = final.below_floor(settings.seed)
    if below and not refusal and published is not final.popular:
        notices = (*notices, f"popular is published, behind what each person buys most often: {below}")
        published = final.popular
        refusal = replace(final, winner=final.popular).refusal(comparison.relevance, settings.gate_margin)
    if refusal and plan.served is None:
        notices = (*notices, f"popular is published until a model is better: {refusal}")
        published, refusal = final.popular, None
    decisions = comparison.decisions if published is final.winner else comparison.popular_decisions
    decided = decisions.served(Purchased.AUTO) if decisions else None
    return ModelSelection(
        models=(published.candidate.model, popular_of(comparison.window.days).model),
        summary=figures.summary(comparison, published, settings.seed),
        full=figures.full(comparison, published, settings.seed),
        notices=notices,
        refusal=refusal,
        repeats=decided.repeats if decided else None,
        trend=decided.trend if decided else 0.0,
        popular_days=comparison.window.days,
        not_tried=comparison.not_tried,
        kept_until_s=final.evaluator.window.cut_s if published is final.winner else None,
    )


def _compare(
    bench: Bench, plan: TrainPlan, settings: Settings, step: ReportStep, remember: Remember
) -> Comparison | None:
    try:
        windows = bench.windows()
        if windows is None:
            return None
        compared = compare_models(
            windows, _candidates(plan), settings, plan.deadline, step, plan.earlier, remember, plan.shape
        )
    except Stopped:
        raise
    except RefusedError:
        # Not even popular can learn from the data before the windows.
        return None
    if compared is None:
        return None
    untried = plan.too_few_events
    return replace(
        compared,
        not_tried=(*untried, *compared.not_tried),
        notices=(*map(str, untried), *compared.notices),
    )


def _candidates(plan: TrainPlan) -> list[Candidate]:
    """The candidates: what is served, then every family's defaults, then their other starts. Popular always takes
    part."""
    served = _served_model(plan.served)
    candidates = [Candidate(served, "served")] if served else []
    families = [FAMILIES[family] for family in _for_people(plan) if family != Popular.family]
    candidates += [Candidate(plan.suited(make(family.family)), "default") for family in families]
    candidates += [Candidate(plan.suited(family(config)), "start") for family in families for config in family.starts]
    first: dict[tuple[str, str], Candidate] = {}
    for candidate in candidates:
        first.setdefault((candidate.model.family, candidate.model.config.model_dump_json()), candidate)
    return list(first.values())


def _for_people(plan: TrainPlan) -> list[str]:
    """The plan's families that can be published alone, and learn from as little as there is."""
    untried = {one.family for one in plan.too_few_events}
    return [family for family in plan.families if family in families_for_people() and family not in untried]


def _served_model(served: ModelInfo | None) -> Model[ModelConfig] | None:
    """The served model; None where nothing is served, or its family or settings do not exist in this release."""
    if served is None:
        return None
    try:
        return make(served.family, served.params)
    except BadRequest:
        return None


def _unjudged(plan: TrainPlan, reason: str) -> ModelSelection:
    """The selection without figures: what is served if its family is allowed, then the defaults of the families, then
    popular."""
    served = _served_model(plan.served)
    models = [plan.suited(make(family)) for family in _for_people(plan)]
    repeats, trend = None, 0.0
    if served and plan.served and served.family in plan.families:
        models.insert(0, served)
        repeats, trend = plan.served.repeats, plan.served.encoder_params.get("trend", 0.0)
    summary = {"judged_by": None, "reason": reason}
    notices = (f"not judged: {reason}",)
    return ModelSelection(
        models=(*models, POPULAR.model),
        summary=summary,
        notices=notices,
        repeats=repeats,
        trend=trend,
        popular_days=plan.served.popular_days if plan.served else WINDOW_DAYS,
    )
