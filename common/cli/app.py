"""The application `recsys` with all of its commands."""

from __future__ import annotations

from importlib.metadata import version
from typing import Annotated

import typer

from common.cli import (
    doctor,
    erase,
    evaluate,
    export,
    gc,
    quarantine,
    recommend,
    report,
    rollback,
    setup,
    status,
    sweep,
    train,
    upload,
)

EXIT_STATUS = (
    "Exit status: 0 done; 1 something unforeseen; 2 wrong usage; 3 a setting is missing or wrong; 4 wrong input; "
    "5 refused, with the reason; 6 try again later; 7 what is stored is damaged."
)

app = typer.Typer(
    name="recsys",
    help="Operate RecSys-Lite. Settings come from RECSYS_ variables; docs/settings.md lists them.",
    epilog=EXIT_STATUS,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"recsys-lite {version('recsys-lite')}")
        raise typer.Exit


@app.callback()
def before_any_command(
    _version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_show_version, is_eager=True)
    ] = False,
) -> None:
    """Options of `recsys` itself; the help is the app's."""


for command in (
    setup.setup,
    doctor.doctor,
    upload.upload,
    status.status,
    quarantine.quarantine,
    train.train,
    report.report,
    evaluate.eval,
    recommend.recommend,
    recommend.similar,
    recommend.bought_together,
    rollback.rollback,
    erase.erase,
    export.export,
    sweep.sweep,
    gc.gc,
):
    app.command()(command)
