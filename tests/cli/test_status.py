"""`recsys status`, as a person and as a program read it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from typer.testing import CliRunner

from common.cli.app import app
from common.cli.status import ago, size
from common.usecases.shared.context import Context
from common.usecases.shared.runs import start_run
from tests.later import later
from tests.store.shop import csv_of, events_csv, ingest
from tests.stored import fit, publish

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)
BOUGHT = [f"{user},{item},2026-01-0{day}T12:00:00Z,1" for user in ("ann", "bob") for day, item in enumerate("xyz", 1)]


@pytest.fixture
def shop(environment: dict[str, str], context: Context, monkeypatch: pytest.MonkeyPatch) -> Context:
    """Two trained versions, an upload that waits and one that was refused."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    ingest(context, "events/bought.csv", events_csv(*BOUGHT))
    artifact = fit(context)
    publish(context, *artifact)
    publish(context, *artifact)
    ingest(context, "events/[/red] :tea: refused.csv", csv_of("nothing,known", "1,2"))
    context.bucket.put(f"{context.keys.incoming_events}[b]waiting.csv", b"x" * 2_500)
    return context


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, ["status", *arguments], catch_exceptions=False)
    assert result.exit_code == 0
    return result.stdout


@pytest.mark.s3
def test_a_program_gets_every_figure_and_a_person_the_same_in_words(shop: Context) -> None:
    found: dict[str, Any] = json.loads(run("--json"))
    [version] = found["versions"]
    assert version.keys() == {"bundle_id", "family", "trained_at", "created_by"}
    assert found["refused"]["reports"] == 1
    assert found["bytes"]["incoming"] == 2_500
    assert found["bytes"].keys() == {"incoming", "quarantine", "store", "serving", "models", "runs", "erasures"}

    lines = {line.partition(" ")[0]: line for line in run().splitlines() if not line.startswith(" ")}
    assert "UTC (just now)" in lines["serving"]
    assert "days ago)" in lines["store"]
    assert f"als trained {version['trained_at'][:10]}" in lines["versions"]
    assert f"bundle {version['bundle_id']} by train" in lines["versions"]
    assert f"just now, is {found['refused']['newest']}: {found['refused']['reason']}" in lines["refused"]
    assert "incoming 2.5 kB" in lines["size"]
    assert "[b]waiting.csv, 2.5 kB, just now" in run()
    assert "events/[/red] :tea: refused.csv: " in " ".join(run().split())


@pytest.mark.parametrize(
    ("age", "words"),
    [
        (timedelta(seconds=-5), "just now"),
        (timedelta(seconds=119), "just now"),
        (timedelta(minutes=2), "2 minutes ago"),
        (timedelta(minutes=119), "119 minutes ago"),
        (timedelta(hours=3, minutes=59), "3 hours ago"),
        (timedelta(hours=48), "2 days ago"),
        (timedelta(days=1_200), "1,200 days ago"),
    ],
)
def test_ages_in_words(age: timedelta, words: str) -> None:
    assert ago(NOW - age, NOW) == words


@pytest.mark.parametrize(
    ("count", "words"),
    [(0, "0 bytes"), (999, "999 bytes"), (1_000, "1.0 kB"), (1_250_000, "1.2 MB"), (3 << 30, "3.2 GB")],
)
def test_sizes_in_words(count: int, words: str) -> None:
    assert size(count) == words


@pytest.mark.s3
def test_what_the_newest_training_has_not_tried_is_listed_with_the_reason(shop: Context) -> None:
    assert "not tried" not in run()
    not_tried = [{"family": "bpr", "origin": "start", "reason": "the time budget was spent"}]
    # Runs that began in one second are in no order.
    with start_run(later(shop, timedelta(minutes=1)), "train") as log:
        log.finish(details={"not_tried": not_tried})
    assert "not tried bpr (start): the time budget was spent" in run()
