"""The end of a training run: its figures and its report, kept for good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from common.evaluation.report.document import Popularity, SamplePerson
from common.evaluation.report.page import render
from common.evaluation.report.profile import profile_of
from common.models.base import TrainingData
from common.schemas.data import Interactions
from common.schemas.documents import Bundle
from common.serving.bundle import open_bundle
from common.usecases.context import Context
from common.usecases.report.files import figures_before, save_page
from common.usecases.report.make import make_report
from common.usecases.report.samples import Samples

Figures = dict[str, Any]


def run_figures(
    ctx: Context, version: str, judged: Mapping[str, Any], data: TrainingData, notices: Sequence[str]
) -> Figures:
    """What the contest found, with what the run worked on; as for a run that has published nothing yet."""
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
    """`bundle` is what the run has published, which sample people are asked of; None for a refused run."""
    popularity: Popularity | None = None
    people: list[SamplePerson] = []
    if bundle is not None:
        samples = Samples(open_bundle(bundle, ctx.path_of), data, ctx.settings.purchased, ctx.settings.seed)
        popularity, people = samples.popularity(), samples.people()
    version = figures["version"]
    save_page(ctx, version, render(make_report(figures, figures_before(ctx, version), popularity, people)))
