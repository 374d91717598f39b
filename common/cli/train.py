"""`recsys train`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from common.cli.completion import families
from common.cli.session import AsJson, Session, session, status_of
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
        current.answer(run.model_dump(mode="json"), lambda console: _show(console, run))
    if run.state != "done":
        raise typer.Exit(status_of(RefusedError("")))


def _train(current: Session, ctx: Context, options: TrainOptions) -> RunRecord:
    from common.cli.progress import drawn
    from common.usecases.shared.run_watch import find_run, of_function
    from common.usecases.train.train import train as fit

    since = ctx.now()
    with drawn(current.console, "training", lambda: find_run(ctx, of_function("train"), since)):
        return fit(ctx, options)


def _show(console: Console, run: RunRecord) -> None:
    console.print(f"{run.state}: run {run.run_id}")
    for notice in run.notices:
        console.print(f"  {notice}", markup=False, soft_wrap=True)
    for name, value in run.details.items():
        console.print(f"  {name.replace('_', ' ')}: {value}", markup=False, soft_wrap=True)
