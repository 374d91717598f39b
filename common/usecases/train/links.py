"""The links of a night: for each place whether links answer it better than the selected model, and with which settings.

Settings are chosen on the validation window, by what comes next in a visit or what else is in a basket. On the test
window the chosen ones are held against the selected model, and they are published beside it only if they are clearly
better there: if the interval of the difference is above 0.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from common.config import Settings
from common.errors import RefusedError
from common.evaluation.bootstrap import paired_interval
from common.evaluation.judge import PRIMARY
from common.evaluation.split import Fold, Split, temporal_split
from common.evaluation.visits import Questions, VisitJudgement, judge_visits, questions_of
from common.models.artifact import Artifact
from common.models.base import FitOptions, Model, ModelConfig, TrainingData
from common.models.cooccurrence import Cooccurrence
from common.models.registry import FAMILIES
from common.schemas.links import Place
from common.serving.encoders import ENCODERS
from common.tuning.best_trial import best_trial
from common.tuning.search import SearchPlan, search
from common.tuning.trial import Verdict, Watch
from common.usecases.publish.publish import Beside
from common.usecases.shared.learning import pair_rule
from common.usecases.train.model_selection import TrainPlan
from common.usecases.train.selected_model import SelectedModel

BUDGET_SHARE: Final = 0.1
"""Share of a night's time that the links may take. Their fits take seconds, the selected model's one fit the most."""

Json = dict[str, Any]


@dataclass(frozen=True)
class LinksOfNight:
    """The models of links to publish, the figures of all places that were asked about, and notices.

    judged: what was judged of each place, which had learned from what is before the window"""

    beside: dict[Place, Beside] = field(default_factory=dict)
    judged: dict[Place, Artifact] = field(default_factory=dict)
    figures: dict[str, Json] = field(default_factory=dict)
    notices: tuple[str, ...] = ()


def links_budget_s(plan: TrainPlan) -> float:
    """Seconds of the night that are kept for the links; 0 where the family or the comparison is switched off."""
    if Cooccurrence.family not in plan.families or Cooccurrence.family not in FAMILIES or not plan.evaluate:
        return 0.0
    return BUDGET_SHARE * max(0.0, plan.deadline - time.monotonic())


def links_of_night(data: TrainingData, selected: SelectedModel, settings: Settings, seconds: float) -> LinksOfNight:
    """The links that are to stand beside the selected model, fitted on all data."""
    split = temporal_split(data.interactions, settings.validation_days, settings.test_days) if seconds else None
    if split is None:
        return LinksOfNight()
    night = _Night(data, selected, settings, split, time.monotonic() + seconds)
    found = LinksOfNight()
    for place in Place:
        try:
            night.answer(place, found)
        except RefusedError as refusal:
            found = replace(found, notices=(*found.notices, f"no links of a {place}: {refusal.message}"))
    return found


@dataclass
class _Night:
    """The comparison of one night."""

    data: TrainingData
    selected: SelectedModel
    settings: Settings
    split: Split
    deadline: float

    def answer(self, place: Place, found: LinksOfNight) -> None:
        """Adds the figures of a place, and the links of it if they are better."""
        asked = questions_of(place, self.split.validation, self.settings.seed)
        if asked is None:
            return
        model = self._best(place, asked)
        fold = self.split.test or self.split.validation
        held = questions_of(place, fold, self.settings.seed) if self.split.test else asked
        if held is None:
            return
        found.judged[place] = self._fit(model, fold)
        ours, theirs = judge_visits(found.judged[place], held, None), self._judge_selected(fold, held)
        low, high = paired_interval(ours.primary, theirs.primary, self.settings.seed)
        figures = _figures(model, ours, theirs, self.selected.model.family, low, high)
        found.figures[place.value] = figures
        if low > 0:
            found.beside[place] = Beside(self._fit(model, None), figures)

    def _best(self, place: Place, asked: Questions) -> Model[ModelConfig]:
        """The settings that answer the validation window best: the family's own, then what the search finds."""

        def objective(model: Model[ModelConfig], watch: Watch) -> Verdict:
            artifact = self._fit(model, asked.fold, watch.time)
            return Verdict(judge_visits(artifact, asked, None).primary, artifact.dim)

        plan = SearchPlan(
            name=f"{self.settings.shop}/links-{place}-{asked.fold.cut_s}-{self.settings.seed}",
            seed=self.settings.seed,
            deadline=time.monotonic() + (self.deadline - time.monotonic()) / (2 * len(Place)),
            max_width=self.settings.max_dim,
            max_trials=max(self.settings.tune_trials, 1 + len(Cooccurrence.starts)),
        )
        records = search([Cooccurrence], objective, plan)
        best = best_trial(records)
        if best is None:
            reasons = [record.reason for record in records if record.reason]
            raise RefusedError(reasons[0] if reasons else "there was no time to learn them")
        return Cooccurrence.from_params(best.params)

    def _judge_selected(self, fold: Fold, held: Questions) -> VisitJudgement:
        rival = self.selected.before(fold, self.deadline)
        return judge_visits(rival, held, ENCODERS[rival.encoder])

    def _fit(self, model: Model[ModelConfig], fold: Fold | None, watch: Callable[[], None] | None = None) -> Artifact:
        """A fit on what is before a fold's window, or on everything."""
        data = self.data if fold is None else TrainingData(fold.past, self.data.catalogue)

        def report(_step: int, _steps: int) -> None:
            if watch:
                watch()
            elif fold is not None and time.monotonic() > self.deadline:
                raise RefusedError(f"the time for a fit of {model.family} was spent")

        options = FitOptions(
            seed=self.settings.seed,
            threads=self.settings.n_threads,
            now_s=int(data.interactions.ts[-1]) if fold is None else fold.cut_s,
            report=report,
            pairs=pair_rule(self.settings),
        )
        return model.fit(data, options)


def _figures(
    model: Model[ModelConfig], ours: VisitJudgement, theirs: VisitJudgement, rival: str, low: float, high: float
) -> Json:
    return {
        "judged_by": PRIMARY,
        "params": model.config.model_dump(mode="json"),
        "model": ours.metrics,
        "rival": rival,
        "of_rival": theirs.metrics,
        "lead": {"mean": float((ours.primary - theirs.primary).mean()), "low": low, "high": high},
        "published": low > 0,
    }


def told(night: LinksOfNight) -> Sequence[str]:
    """What the run says of the links."""
    lines = []
    for place, figures in night.figures.items():
        by = f"cooccurrence {figures['model'][PRIMARY]:.4f}, {figures['rival']} {figures['of_rival'][PRIMARY]:.4f}"
        answered = "cooccurrence" if figures["published"] else figures["rival"]
        lines.append(f"a {place} of nobody known is answered by {answered}: {PRIMARY} of its other items {by}")
    return (*lines, *night.notices)
