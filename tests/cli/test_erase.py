"""`recsys erase` and `recsys export`, as somebody who answers a letter calls them."""

from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from common.cli.app import app
from common.usecases.shared.context import Context
from tests.store.shop import events_csv, ingest, rows_of
from tests.stored import fit, publish

RUNNER = CliRunner()
BOUGHT = [f"{user},{item},2026-01-0{day}T12:00:00Z,1" for user in ("ann", "bob") for day, item in enumerate("xyz", 1)]


@pytest.fixture
def shop(environment: dict[str, str], context: Context, monkeypatch: pytest.MonkeyPatch) -> Context:
    """The environment of an operator, and a shop with two people in it."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    ingest(context, "events/bought.csv", events_csv(*BOUGHT))
    return context


def run(*arguments: str | Path, typed: str | None = None) -> Result:
    return RUNNER.invoke(app, [str(argument) for argument in arguments], input=typed, catch_exceptions=False)


def answer(*arguments: str | Path, typed: str | None = None) -> Any:
    result = run(*arguments, "--json", typed=typed)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.mark.s3
def test_erasing_somebody_leaves_a_receipt_and_the_others(shop: Context) -> None:
    receipt = answer("erase", "ann")
    assert (receipt["counts"]["people_found"], receipt["counts"]["events_erased"]) == (1, 3)
    assert {row[0] for row in rows_of(shop, ["ann", "bob"])} == {"bob"}
    blob = shop.bucket.get(shop.keys.erasure_receipt(receipt["receipt_id"]))
    assert blob is not None
    assert json.loads(blob.data) == receipt
    assert "0 of 1 people were stored" in run("erase", "ann").output


@pytest.mark.s3
def test_ids_come_from_a_file_or_are_typed(shop: Context, tmp_path: Path) -> None:
    listed = tmp_path / "letters.csv"
    listed.write_text("user_id\nann\n\n")
    assert answer("erase", "--from", listed)["counts"]["people_found"] == 1
    assert answer("erase", "--from", "-", typed="bob\n")["counts"]["people_found"] == 1
    assert answer("erase", "--forget-tombstone", "--from", "-", typed="ann\nbob\n") == {"forgotten": 2}


@pytest.mark.s3
@pytest.mark.parametrize("command", ["erase", "export"])
def test_nobody_is_named(shop: Context, tmp_path: Path, command: str) -> None:
    for arguments in ((), ("--from", "-"), ("--from", tmp_path / "absent.csv")):
        assert run(command, *arguments, typed="").exit_code == 4


@pytest.mark.s3
def test_an_export_says_all_that_is_kept(shop: Context, tmp_path: Path) -> None:
    publish(shop, *fit(shop))
    exported = answer("export", "ann")
    assert [(event["item_id"], event["at"]) for event in exported["events"]] == [
        ("x", "2026-01-01T12:00:00Z"),
        ("y", "2026-01-02T12:00:00Z"),
        ("z", "2026-01-03T12:00:00Z"),
    ]
    assert exported["events"][0] | {"at": "", "item_id": ""} == {
        "at": "",
        "item_id": "",
        "event_type": "purchase",
        "qty": 1.0,
        "price": None,
        "order": None,
        "session": None,
    }
    assert [item["item_id"] for item in exported["served"]["items"]] == ["x", "y", "z"]
    assert exported["served"]["ranked"] == []  # there is nothing that ann does not have
    assert exported["erased_until"] is None
    path = tmp_path / "ann.json"
    assert run("export", "ann", "--out", path).exit_code == 0
    assert json.loads(path.read_text())["events"] == exported["events"]
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert json.loads(run("export", "--from", "-", typed="ann\n").stdout)["events"] == exported["events"]


@pytest.mark.s3
def test_an_export_of_somebody_who_was_erased_says_so(shop: Context) -> None:
    until = answer("erase", "ann")["until"]
    exported = answer("export", "ann")
    assert (exported["events"], exported["served"], exported["erased_until"]) == ([], None, until)
    assert answer("export", "nobody")["erased_until"] is None
