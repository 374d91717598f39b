"""The end of a training run: its figures and its report are stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from common.evaluation.report.document import Popularity, SamplePerson
from common.evaluation.report.page import render
from common.evaluation.report.profile import profile_of
from common.models.base import TrainingData
from common.schemas.data import Interactions
from common.schemas.documents import Bundle
from common.store.segments.tombstones import Tombstones
from common.usecases.publish.open_served import open_or_newer
from common.usecases.shared.context import Context
from common.usecases.shared.report_files import delete_reports, figures_before, save_page, save_shown
from common.usecases.shared.tombstones import read_tombstones_now
from common.usecases.train.report.make import make_report
from common.usecases.train.report.samples import Samples

Figures = dict[str, Any]


def run_figures(
    ctx: Context, version: str, judged: Mapping[str, Any], data: TrainingData, notices: Sequence[str]
) -> Figures:
    """The figures of the comparison and of the data, as for a run that has published nothing yet."""
    n_catalogue = len(data.catalogue) if data.catalogue else 0
    return {
        **judged,
        "shop": ctx.shop.name,
        "version": version,
        "made_at": ctx.now().isoformat(),
        "family": None,
        "params": {},
        "refusal": None,
        "notices": list(notices),
        "data": profile_of(data.interactions, n_catalogue).model_dump(mode="json"),
    }


def write_report(ctx: Context, figures: Figures, data: Interactions, bundle: Bundle | None) -> None:
    """Writes the report. `bundle` is what the run has published, None for a refused run; sample people are taken from
    it.

    Erased people are never shown, even if they are erased while the report is written.
    """
    popularity: Popularity | None = None
    people: list[SamplePerson] = []
    marks: list[str] = []
    if bundle is not None:
        tombstones = read_tombstones_now(ctx)
        samples = Samples(
            open_or_newer(ctx, bundle), _without_erased(data, tombstones), ctx.settings.purchased, ctx.settings.seed
        )
        popularity, people = samples.popularity(), samples.people()
        marks = tombstones.marks(samples.keys())
    version = figures["version"]
    save_shown(ctx, version, marks)
    save_page(ctx, version, render(make_report(figures, figures_before(ctx, version), popularity, people)))
    delete_reports(ctx, read_tombstones_now(ctx), [version])


def _without_erased(data: Interactions, tombstones: Tombstones) -> Interactions:
    """The events of people who were never erased."""
    gone = np.append(tombstones.named(data.user_keys), False)  # the last for those without a key
    return data.where(~gone[data.users])
