"""Training: one model is chosen, fitted on all stored data, and published if it is good enough.

Steps: fold the store into one base; read it; compare models; fit the winner on all data; save the artifact under
`models/<version>/`; publish it; save its figures and its report beside the artifact. A run that the gate stops is
recorded as refused, with figures and report, and the served model stays.

Models are fitted and judged by a worker, so that the time budget holds whatever their libraries do.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from typing import Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, field_validator

from common.bucket.current import CurrentFile
from common.config import Settings
from common.errors import BadRequest, BucketUnavailable, RefusedError, SettingError, Stopped
from common.models.artifact import Artifact
from common.models.base import TrainingData
from common.models.registry import FAMILIES
from common.models.shape import DataShape
from common.models.trend import with_trend
from common.schemas.documents import DEFAULT_BLEND, Bundle, ModelInfo, RunRecord, ServingDocument, StoreDocument
from common.usecases.ingest.compact import compact
from common.usecases.publish.publish import ServingChoices, StoreRead
from common.usecases.shared.context import Context
from common.usecases.shared.learning import open_for_learning
from common.usecases.shared.report_files import save_figures
from common.usecases.shared.runs import RunLog, start_run
from common.usecases.shared.tombstones import reading_store
from common.usecases.shared.workspace import workspace
from common.usecases.train.crowds import told_of_crowds
from common.usecases.train.deadlines import publishing_s
from common.usecases.train.due import DueOfNight, due_budget_s, due_of_night, told_of_due
from common.usecases.train.final_fit import FITTING, PUBLISHING, fit_on_all
from common.usecases.train.kinds import KindsOfNight, kinds_budget_s, kinds_of_night, told_of_kinds
from common.usecases.train.learned import TrialFile
from common.usecases.train.links import LinksOfNight, links_budget_s, links_of_night, told
from common.usecases.train.model_selection import TrainPlan, select_model
from common.usecases.train.publish_model import publish_model
from common.usecases.train.report.write import run_figures, write_report
from common.usecases.train.selected_model import SelectedModel
from common.usecases.train.similar import SimilarOfNight, similar_budget_s, similar_of_night, told_of_similar
from common.usecases.train.workbench import Order, Workbench
from common.usecases.train.worker.bench import RemoteBench
from common.usecases.train.worker.process import Worker

# The progress, from 0 to 1, at which each step begins. The comparison takes most of it.
READING, CHOOSING, REPORTING = 0.05, 0.1, 0.97


class TrainOptions(BaseModel):
    """Options of one run. `families` and `budget_s` replace their settings.

    With `evaluate` false there is no comparison and no gate: the settings that are served now, or else a family's
    defaults, are fitted on all data and published.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    families: tuple[str, ...] = ()
    evaluate: bool = True
    budget_s: float | None = Field(None, gt=0)

    @field_validator("families")
    @classmethod
    def _are_known(cls, names: tuple[str, ...]) -> tuple[str, ...]:
        if unknown := _unknown(names):
            raise BadRequest(f"there is no model family {unknown}; there are {', '.join(FAMILIES)}")
        if lacking := _lacking(names):
            raise BadRequest(lacking)
        return names


def train(ctx: Context, options: TrainOptions) -> RunRecord:
    """The run's record; a refusal is in the record.

    Raises `SettingError` for a family in the settings that is unknown or whose library is not installed.
    """
    began = time.monotonic()
    families = _families(options, ctx.settings)
    with start_run(ctx, "train") as log, workspace(ctx) as directory:
        trials = TrialFile(ctx, log.record.run_id)
        budget_s = options.budget_s or ctx.settings.train_budget_s
        training = _Training(
            ctx, log, options.evaluate, families, began, budget_s, trials, bool(_named(options, ctx.settings))
        )
        try:
            with Worker(directory, Order.of(ctx.settings), began + budget_s) as worker:
                record = training.run(worker)
        except Stopped as stop:
            return log.refuse(stop)
        except RefusedError as refusal:
            record = log.refuse(refusal)
        trials.close()
        return record


def _families(options: TrainOptions, settings: Settings) -> tuple[str, ...]:
    """The families of the run in the registry's order; all where neither the options nor the settings name any."""
    if unknown := _unknown(settings.train_families):
        raise SettingError(f"RECSYS_TRAIN_FAMILIES names {unknown}; there are {', '.join(FAMILIES)}")
    if lacking := _lacking(settings.train_families):
        raise SettingError(f"RECSYS_TRAIN_FAMILIES: {lacking}")
    wanted = _named(options, settings) or FAMILIES
    return tuple(family for family in FAMILIES if family in wanted)


def _named(options: TrainOptions, settings: Settings) -> tuple[str, ...]:
    return options.families or settings.train_families


def _unknown(names: Sequence[str]) -> str:
    """For people; empty if there is none. In quotes, since a name may be empty too."""
    return ", ".join(repr(name) for name in names if name not in FAMILIES)


def _lacking(names: Sequence[str]) -> str:
    return "; ".join(reason for name in names if (reason := FAMILIES[name].lacks()))


def _served(ctx: Context) -> ModelInfo | None:
    document = CurrentFile(ctx.bucket, ctx.keys.serving_current, ServingDocument).read().document
    return document.bundle.model if document else None


class _Budgets(NamedTuple):
    """Seconds of a night that are kept for what is chosen beside the model."""

    links_s: float
    similar_s: float
    due_s: float
    kinds_s: float


class _Choices(NamedTuple):
    """What is chosen beside the model, by the names that its figures have."""

    links: LinksOfNight
    similar: SimilarOfNight
    due: DueOfNight
    kinds: KindsOfNight


@dataclass(frozen=True)
class _Training:
    """One run. `began` is on the clock of `time.monotonic`; `named`: whether somebody chose the families."""

    ctx: Context
    log: RunLog
    evaluate: bool
    families: tuple[str, ...]
    began: float
    budget_s: float
    trials: TrialFile
    named: bool = False

    def run(self, worker: Worker) -> RunRecord:
        ctx, log = self.ctx, self.log
        document, read = reading_store(ctx, lambda _: _stored(ctx, log))
        data = worker.give(TrainingData(read.interactions, read.catalogue))
        read = replace(read, interactions=data.interactions, catalogue=data.catalogue or read.catalogue)
        plan = self._plan(data)
        budgets = _Budgets(links_budget_s(plan), similar_budget_s(plan), due_budget_s(plan), kinds_budget_s(plan))
        plan = replace(plan, deadline=plan.deadline - sum(budgets))
        worker.ends = plan.deadline
        bench = RemoteBench(worker, Workbench(data, Order.of(ctx.settings)))
        selection = select_model(bench, plan, ctx.settings, self._comparing, self.trials.add)
        not_tried = [asdict(one) for one in selection.not_tried]
        log.note(notices=selection.notices, details={**selection.summary, "not_tried": not_tried})
        all_figures = {**(selection.full or selection.summary)}
        figures = partial(run_figures, ctx, log.record.run_id, all_figures, data)
        if selection.refusal:
            worker.close()
            _report(ctx, log, figures(selection.notices) | {"refusal": selection.refusal}, data)
            raise RefusedError(selection.refusal)
        artifact = fit_on_all(bench, selection, plan, log)
        worker.ends = plan.deadline + budgets.links_s + budgets.similar_s + budgets.kinds_s
        chosen = self._choices(data, SelectedModel.of(bench, selection), selection.popular_days, plan.served, budgets)
        worker.close()
        all_figures |= {name: choice.figures for name, choice in chosen._asdict().items()}
        repeats = None
        if artifact.family == selection.models[0].family:
            repeats = selection.repeats
            artifact = with_trend(artifact, data.interactions, int(data.interactions.ts[-1]), selection.trend)
        log.step("publishing", PUBLISHING)
        _save(ctx, log.record.run_id, artifact)
        choices = ServingChoices(
            repeats=repeats,
            beside=chosen.links.beside,
            popular_days=selection.popular_days,
            similar=chosen.similar.blend,
            due=chosen.due.settings,
            first_lists=chosen.kinds.first,
        )
        bundle = publish_model(ctx, artifact, selection.summary, document.seq, log, read, choices)
        log.step("reporting", REPORTING)
        published = {"family": bundle.model.family, "params": bundle.model.params}
        _report(ctx, log, figures(log.record.notices) | published, data, bundle)
        return log.finish(
            counts={
                "events": len(data.interactions),
                "users": len(artifact.user_keys),
                "items": len(artifact.item_ids),
            },
            details={**published, "bundle_id": bundle.bundle_id},
        )

    def _choices(
        self,
        data: TrainingData,
        selected: SelectedModel,
        popular_days: float,
        served: ModelInfo | None,
        budgets: _Budgets,
    ) -> _Choices:
        """What is chosen for places of their own, beside the selected model."""
        settings, log = self.ctx.settings, self.log
        log.step("fitting links", PUBLISHING)
        links = links_of_night(data, selected, settings, budgets.links_s)
        log.note(notices=told(links))
        log.step("judging similar items", PUBLISHING)
        usual = (served and served.similar) or DEFAULT_BLEND
        similar = similar_of_night(data, selected, settings, budgets.similar_s, popular_days, usual)
        log.note(notices=told_of_similar(similar))
        log.step("judging what stands first", PUBLISHING)
        before = served.first_lists if served else {}
        kinds = kinds_of_night(data, selected, settings, budgets.kinds_s, links, similar, popular_days, before)
        log.note(notices=told_of_kinds(kinds))
        log.step("judging what is due", PUBLISHING)
        due = due_of_night(data, settings, budgets.due_s, served.due if served else None)
        log.note(notices=told_of_due(due))
        return _Choices(links, replace(similar, shelf=None), due, kinds)

    def _plan(self, data: TrainingData) -> TrainPlan:
        """The plan, once the store is read; the log's next step is the comparison."""
        reading_s = sum(self.log.timings().values())
        ends = self.began + self.budget_s - publishing_s(self.ctx, self.budget_s, reading_s)
        return TrainPlan(
            families=self.families,
            evaluate=self.evaluate,
            deadline=ends,
            served=_served(self.ctx),
            earlier=tuple(self.trials.earlier()) if self.evaluate else (),
            shape=DataShape.of(data.interactions, self.ctx.settings.max_dim),
            named=self.named,
        )

    def _comparing(self, text: str, done: float) -> None:
        self.log.step(text, CHOOSING + (FITTING - CHOOSING) * done)


def _stored(ctx: Context, log: RunLog) -> tuple[StoreDocument, StoreRead]:
    """The store after folding, and all that it holds."""
    log.step("compacting")
    document = compact(ctx)
    if document is None or document.base is None:
        raise RefusedError(f"the store has no events: upload some to {ctx.keys.incoming_events}")
    log.step("reading", READING)
    with workspace(ctx) as directory, open_for_learning(ctx, document, directory) as store:
        log.note(notices=told_of_crowds(store, ctx.settings))
        read = StoreRead(document.commit_id, document.erasure, store.interactions(), store.catalogue())
    return document, read


def _save(ctx: Context, version: str, artifact: Artifact) -> None:
    """Saves the artifact without rows of people: those that are served are in the bundle."""
    with workspace(ctx) as directory:
        artifact.without_people().save(directory / "artifact")
        for path in sorted((directory / "artifact").iterdir()):
            ctx.bucket.put(ctx.keys.model_file(version, path.name), path)


def _report(
    ctx: Context, log: RunLog, figures: dict[str, Any], data: TrainingData, bundle: Bundle | None = None
) -> None:
    """Writes figures and report. The model is published by then, so a bucket that does not take them only gives a
    notice."""
    try:
        save_figures(ctx, log.record.run_id, figures)
        write_report(ctx, figures, data.interactions, bundle)
    except BucketUnavailable as error:
        log.note(notices=[f"the report was not written: {error.message}"])
