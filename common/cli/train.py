"""`recsys train`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from common.cli.completion import families
from common.cli.session import AsJson, Session, session, show_notices, status_of
from common.errors import RefusedError

if TYPE_CHECKING:
    from rich.console import Console

    from common.schemas.documents import RunRecord
    from common.usecases.shared.context import Context
    from common.usecases.train.train import TrainOptions


def train(
    family: Annotated[
        list[str] | None,
        typer.Option(
            help="A model family to try; repeat it for several. Default: the setting.", autocompletion=families
        ),
    ] = None,
    budget_s: Annotated[
        float | None, typer.Option(help="Seconds after which the search ends. Default: RECSYS_TRAIN_BUDGET_S.", min=1)
    ] = None,
    evaluate: Annotated[bool, typer.Option(help="Judge the models before one is published.")] = True,
    as_json: AsJson = False,
) -> None:
    """Train on all stored data, and publish the best model if it passes the gate, as the nightly job does.

    Exit status 5 if the gate refused it; the served version then stays.
    """
    with session(as_json) as current:
        from common.usecases.train.train import TrainOptions

        ctx = current.context()
        options = TrainOptions(families=tuple(family or ()), evaluate=evaluate, budget_s=budget_s)
        run = _train(current, ctx, options)
        current.answer(run.model_dump(mode="json"), lambda console: _show(console, run, _report_of(ctx, run)))
    if run.state != "done":
        raise typer.Exit(status_of(RefusedError("")))


def _train(current: Session, ctx: Context, options: TrainOptions) -> RunRecord:
    from common.cli.progress import drawn
    from common.usecases.shared.run_watch import find_run, of_function
    from common.usecases.train.train import train as fit

    since = ctx.now()
    with drawn(current.console, "training", lambda: find_run(ctx, of_function("train"), since)):
        return fit(ctx, options)


def _report_of(ctx: Context, run: RunRecord) -> str | None:
    from common.usecases.shared.report_files import REPORT_FILE

    key = ctx.keys.model_file(run.run_id, REPORT_FILE)
    return key if ctx.bucket.head(key) else None


def _show(console: Console, run: RunRecord, report: str | None) -> None:
    """`report` is the key of the run's report, None where it has none."""
    from common.usecases.shared.run_watch import describe_failure

    if run.error:
        console.print(f"{run.state}: {describe_failure(run)}", style="red", soft_wrap=True)
        console.print("Nothing new is published; what was served stays.")
    else:
        served = "{family} is served, bundle {bundle_id}".format_map(run.details)
        console.print(f"{run.state}: {served}", style="green", soft_wrap=True)
    if run.details.get("model"):
        _show_figures(console, run.details)
    for name, text in _facts(run, report).items():
        console.print(f"  {name:10}{text}", soft_wrap=True)
    show_notices(console, run.notices)


def _show_figures(console: Console, details: Mapping[str, Any]) -> None:
    """NDCG@10 of the model beside that of popular, by what counts as a hit."""
    from rich.table import Table

    from common.evaluation.cases import Relevance
    from common.evaluation.judge import PRIMARY
    from common.evaluation.report.words import METRICS, PURCHASES, score

    window, gains = details["window"], details["gain_over_popular"]
    days = f"{window['from'][:10]} to {window['to'][:10]}"
    console.print(f"\njudged by what {window['people']:,} people bought from {days}", soft_wrap=True)
    interval = f"gain ({gains['level']:.0%} interval)"
    table = Table(METRICS[PRIMARY], details.get("family") or "new model", "popular", interval, "", box=None)
    for relevance in Relevance:
        found, popular = (details[name][relevance].get(PRIMARY) for name in ("model", "popular"))
        if found is None:
            continue
        gain = "{mean:+.4f} ({low:+.4f} to {high:+.4f})".format_map(gains[relevance])
        decided = "decides" if details["judged_by"].endswith(f" {relevance}") else ""
        table.add_row(PURCHASES[relevance], score(found), score(popular), gain, decided)
    console.print(table)
    console.print()


def _facts(run: RunRecord, report: str | None) -> dict[str, str]:
    """What else there is to know of the run, by name."""
    facts = {"run": run.run_id}
    if run.finished_at:
        facts["took"] = f"{(run.finished_at - run.started_at).total_seconds():,.0f} s"
    if run.counts:
        facts["learned"] = "from " + ", ".join(f"{count:,} {name}" for name, count in run.counts.items())
    if run.details.get("params"):
        facts["settings"] = _settings(run.details["params"])
    if report:
        facts["report"] = f"`recsys report --version {run.run_id}` fetches {report}"
    return facts


def _settings(params: Mapping[str, Any]) -> str:
    """`factors 64, alpha 3`, and then each group under its name: `; weighting: view 0.2`. None is left out."""
    own = {name: value for name, value in params.items() if not isinstance(value, Mapping)}
    own = {name: value for name, value in own.items() if value is not None}
    told = ", ".join(f"{name} {f'{value:.4g}' if isinstance(value, float) else value}" for name, value in own.items())
    groups = [f"{name}: {_settings(group)}" for name, group in params.items() if isinstance(group, Mapping)]
    return "; ".join(filter(None, (told, *groups)))
