"""`recsys setup`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from common.cli.session import AsJson, session
from common.errors import BadRequest

if TYPE_CHECKING:
    from rich.console import Console

    from common.bucket.keys import Keys
    from common.bucket.notifications import NotificationRule
    from common.usecases.operate.setup import SetupReport


def setup(
    notify: Annotated[
        list[str] | None,
        typer.Option(
            help="function=ARN: the queue, or at Ceph the topic, that calls a function, as in "
            "`ingest=arn:minio:sqs::ingest:webhook`. Repeat it for update.",
        ),
    ] = None,
    template: Annotated[
        Path, typer.Option(help="The deployment, whose annotations say which keys call which function.")
    ] = Path("template.yaml"),
    as_json: AsJson = False,
) -> None:
    """Make the bucket ready: create it, test conditional PUT, set notification rules. It may be repeated."""
    with session(as_json) as current:
        from common.bucket.s3 import S3Bucket
        from common.usecases.operate.setup import setup as set_up

        ctx = current.context()
        rules = _rules(notify or [], template, ctx.keys)
        report = set_up(ctx, S3Bucket.from_settings(ctx.settings), rules)
        current.answer(asdict(report), lambda console: _show(console, report))


def _rules(targets: list[str], template: Path, keys: Keys) -> list[NotificationRule]:
    if not targets:
        return []
    from common.bucket.notifications import NotificationRule
    from common.cli.template import event_prefixes

    prefixes = event_prefixes(template)
    rules = []
    for target in targets:
        function, _, arn = target.partition("=")
        if function not in prefixes or not arn.startswith("arn:"):
            raise BadRequest(f"--notify {target}: give function=ARN with a function of {', '.join(prefixes)}")
        rules += [NotificationRule(function, keys.prefix + prefix, arn) for prefix in prefixes[function]]
    return rules


def _show(console: Console, report: SetupReport) -> None:
    console.print(f"bucket {report.bucket}: {'created' if report.created else 'is there'}")
    console.print("conditional PUT: honoured")
    if report.rules is None:
        console.print("notification rules: none asked for (--notify); the scheduled sweep takes uploads in")
    else:
        console.print(f"notification rules: {report.rules}")
    if report.sweep_only and report.rules is not None:
        console.print("This store has no notification rules of S3; the scheduled sweep takes uploads in.")
