"""`recsys` against the running stack: what an operator asks, and what the answers say."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from common.cli.app import app
from tests import small_shop
from tests.whole import Filled

RUNNER = CliRunner()


@pytest.fixture
def operator(filled: Filled, monkeypatch: pytest.MonkeyPatch) -> Filled:
    for name, value in filled.whole.stack.environment.of_operator().items():
        monkeypatch.setenv(name, value)
    return filled


def answer(*arguments: str | Path) -> Any:
    result = RUNNER.invoke(app, [*map(str, arguments), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


def ids(document: Any) -> list[str]:
    return [item["item_id"] for item in document["items"]]


@pytest.mark.parametrize(
    "question",
    [
        ("recommend", "--user", small_shop.person_id(3)),
        ("recommend", "--item", small_shop.item_id("tea", 0), "--item", small_shop.item_id("tea", 2)),
        ("recommend", "--category", "cheese", "--price-max", "2", "-n", "5"),
        ("similar", small_shop.item_id("soap", 1)),
        ("bought-together", small_shop.item_id("soap", 1)),
    ],
    ids=lambda question: " ".join(question[:2]),
)
def test_in_process_says_what_the_function_says(operator: Filled, question: tuple[str, ...]) -> None:
    here = ids(answer(*question))
    there = ids(answer(*question, "--url", operator.whole.stack.url("recommend")))
    assert here == there
    assert here


def test_an_unknown_item_is_wrong_input_either_way(operator: Filled) -> None:
    for where in ([], ["--url", operator.whole.stack.url("recommend")]):
        assert RUNNER.invoke(app, ["similar", "absent", *where]).exit_code == 4


def test_the_report_of_the_training_shows_people_and_products(operator: Filled, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    found = answer("report", "--out", path)
    assert found["path"] == str(path)
    page = path.read_text()
    assert "is published" in page
    assert "Person C" in page
    assert "no. 1" in page.partition("is recommended")[2]


def test_upload_waits_for_the_event_and_says_what_became_of_the_rows(operator: Filled, tmp_path: Path) -> None:
    now = datetime.now(UTC).isoformat()
    rows = [("ann", "tea-1", now, 1), ("ann", "tea-2", now, 0), ("ann", "tea-3", now, 1)]
    path = small_shop.write_lines(tmp_path / "three.csv", rows)
    run = answer("upload", "events", path, "--wait")["runs"][0]
    assert run["state"] == "done"
    assert run["counts"]["rows_kept"] == 2
    assert sum(run["reasons"].values()) == 1


def test_doctor_and_status_find_all_well(operator: Filled) -> None:
    of_other_tests = ("runs", "refused rows")
    assert {finding["outcome"] for finding in answer("doctor") if finding["check"] not in of_other_tests} == {"ok"}
    status = answer("status")
    assert status["serving"]["family"] == "als"
    assert RUNNER.invoke(app, ["status"]).exit_code == 0


def test_sweep_takes_in_what_waits_and_deletes_nothing_young(operator: Filled) -> None:
    report = answer("sweep")
    assert report["deleted"] == []
    assert {run["state"] for run in report["runs"]} <= {"done"}


def test_gc_deletes_nothing_young_and_refuses_to(operator: Filled) -> None:
    assert answer("gc") == {"deleted": [], "notices": []}
    assert RUNNER.invoke(app, ["gc", "--older-than-hours", "0.5"]).exit_code == 4


def test_rollback_needs_somewhere_to_go(operator: Filled) -> None:
    result = RUNNER.invoke(app, ["rollback"])
    assert result.exit_code == 5
    assert RUNNER.invoke(app, ["rollback", "--to", "absent"]).exit_code == 4
