"""The application `recsys` with all of its commands."""

from __future__ import annotations

import typer

from common.cli import doctor, erase, export, gc, recommend, report, rollback, setup, status, sweep, train, upload

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
)

for command in (
    setup.setup,
    doctor.doctor,
    upload.upload,
    status.status,
    train.train,
    report.report,
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
