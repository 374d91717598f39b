"""`recsys` as an operator calls it: on a real object store, with the exit statuses that README.md names."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from common.bucket.s3 import S3Bucket
from common.cli.app import app
from common.errors import CorruptError
from common.evaluation.cases import Relevance
from common.usecases.shared.context import Context
from common.usecases.shared.figure_tables import RELEVANCES, tables_of
from common.usecases.shared.report_files import save_figures, save_page
from tests.store.shop import events_csv, ingest


def spread(mean: float) -> dict[str, float]:
    return {"mean": mean, "low": mean - 0.125, "high": mean + 0.125}


RUNNER = CliRunner()
COMMANDS = [info.callback.__name__.replace("_", "-") for info in app.registered_commands if info.callback]
EVENTS = "user_id,item_id,ts,qty\nann,apple,2026-11-01T10:00:00Z,1\n"


@pytest.fixture
def shop(environment: dict[str, str], context: Context, monkeypatch: pytest.MonkeyPatch) -> Context:
    """The environment of an operator, and the context of its shop."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    return context


def run(*arguments: str | Path) -> Result:
    return RUNNER.invoke(app, [str(argument) for argument in arguments], catch_exceptions=False)


def answer(*arguments: str | Path) -> Any:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def events(tmp_path: Path) -> Path:
    path = tmp_path / "november sales.csv"
    path.write_text(EVENTS)
    return path


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0
    assert "--json" in result.output


def test_help_loads_no_heavy_library() -> None:
    code = (
        "import sys; from typer.testing import CliRunner; from common.cli.app import app; "
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0; "
        "print([name for name in ('numpy', 'duckdb', 'botocore', 'faiss', 'implicit', 'torch') if name in sys.modules])"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.strip() == "[]"


@pytest.mark.usefixtures("isolated_environment")
def test_a_missing_setting_is_named() -> None:
    result = run("status")
    assert result.exit_code == 3
    assert "RECSYS_S3_ENDPOINT is not set" in result.output


def test_an_error_is_a_document_too(monkeypatch: pytest.MonkeyPatch) -> None:
    result = run("status", "--json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["error"]["code"] == "setting"


def test_a_store_that_does_not_answer_is_for_later(shop: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RECSYS_S3_ENDPOINT", "http://127.0.0.1:9")
    assert run("status").exit_code == 6


def test_a_job_logs_its_runs_as_a_function_does(shop: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    lines = [json.loads(line) for line in run("sweep").stderr.splitlines()]
    assert [(line["event"], line["function"], line["state"]) for line in lines] == [("run", "update", "done")]
    assert lines[0]["run_id"]
    monkeypatch.setenv("RECSYS_LOG_LEVEL", "warning")
    assert run("sweep").stderr == ""


def test_the_sweep_says_why_an_upload_was_refused(shop: Context) -> None:
    key = f"{shop.keys.incoming_events}[/red] :tea: bad.parquet"
    shop.bucket.put(key, b"no Parquet")
    shown = run("sweep").stdout
    assert f"ingest: refused ({key}): {key}: " in shown
    assert "quarantine/" in shown


def test_a_job_that_fails_says_so_in_its_log(shop: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RECSYS_BUCKET")
    [line] = run("sweep").stderr.splitlines()
    assert (json.loads(line)["level"], json.loads(line)["code"]) == ("error", "setting")


def test_setup_can_be_repeated_and_says_who_serves_without_rules(shop: Context, tmp_path: Path) -> None:
    first = answer("setup")
    assert answer("setup") == first
    assert first == {"bucket": shop.settings.bucket, "created": False, "rules": None}
    # SeaweedFS has no notification rules of S3.
    arguments = ("--notify", "ingest=arn:minio:sqs::ingest:webhook")
    assert answer("setup", *arguments)["rules"] == "not supported"
    assert "sweep" in run("setup", *arguments).output


def test_setup_makes_the_bucket(shop: Context, monkeypatch: pytest.MonkeyPatch, bucket: S3Bucket) -> None:
    monkeypatch.setenv("RECSYS_BUCKET", "made-by-setup")
    assert answer("setup")["created"] is True
    assert answer("setup")["created"] is False


def test_setup_refuses_a_target_for_no_function(shop: Context) -> None:
    assert run("setup", "--notify", "recommend=arn:minio:sqs::x:webhook").exit_code == 4


def test_upload_puts_the_file_where_ingest_finds_it(shop: Context, events: Path) -> None:
    key = answer("upload", "events", events)["uploads"][0]["key"]
    assert key.startswith(shop.keys.incoming_events + "november-sales-")
    blob = shop.bucket.get(key)
    assert blob is not None
    assert blob.data == EVENTS.encode()
    # The same content is the same object, so that it cannot count twice.
    assert answer("upload", "events", events)["uploads"][0]["key"] == key


@pytest.mark.parametrize("name", ["sales.xlsx", "absent.csv", "empty.csv"])
def test_upload_refuses_what_ingest_would(shop: Context, tmp_path: Path, name: str) -> None:
    (tmp_path / "sales.xlsx").write_text("x")
    (tmp_path / "empty.csv").write_text("")
    result = run("upload", "events", tmp_path / name)
    assert result.exit_code == 4
    assert name in result.output.replace("\n", "")


def test_upload_of_an_unknown_kind_is_wrong_usage(shop: Context, events: Path) -> None:
    assert run("upload", "orders", events).exit_code == 2


def test_waiting_ends_with_the_time_given(shop: Context, events: Path) -> None:
    assert run("upload", "events", events, "--wait", "--timeout-s", "0.1").exit_code == 6


def test_status_of_an_empty_shop(shop: Context, events: Path) -> None:
    answer("upload", "events", events)
    status = answer("status")
    assert status["store"] is None
    assert status["serving"] is None
    assert [waiting["bytes"] for waiting in status["waiting"]] == [len(EVENTS)]
    assert "nothing is published yet" in run("status").output


def test_report_fetches_the_newest_or_the_one_that_is_named(shop: Context, tmp_path: Path) -> None:
    missing = run("report")
    assert missing.exit_code == 4
    assert "`recsys train` writes one" in missing.output
    versions = "20261121T020000Z-aa", "20261122T020000Z-bb"
    for version in versions:
        save_page(shop, version, f"<p>{version}")
    path = tmp_path / "report.html"
    assert answer("report", "--out", path) == {"version": versions[1], "path": str(path)}
    assert path.read_text() == f"<p>{versions[1]}"
    assert answer("report", "--version", versions[0], "--out", path)["version"] == versions[0]
    assert path.read_text() == f"<p>{versions[0]}"
    unknown = run("report", "--version", "20200101T000000Z-cc")
    assert unknown.exit_code == 4
    assert versions[1] in unknown.output.replace("\n", "")
    assert run("report", "--out", tmp_path / "absent" / "report.html").exit_code == 4


def test_report_is_named_after_its_version_and_opened_on_demand(
    shop: Context, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    save_page(shop, "20261121T020000Z-aa", "<p>")
    monkeypatch.chdir(tmp_path)
    opened: list[str] = []
    monkeypatch.setattr("typer.launch", opened.append)
    path = tmp_path / "report-20261121T020000Z-aa.html"
    assert answer("report")["path"] == str(path)
    assert opened == []
    assert run("report", "--open").exit_code == 0
    assert opened == [path.as_uri()]


FIGURES = {
    "family": "als",
    "refusal": None,
    "window": {"people": 1234},
    "table": [
        {
            "kind": kind,
            "name": name,
            "intervals": {Relevance.ALL: {"ndcg@10": spread(ndcg), "lead": spread(lead)}, Relevance.NEW: None},
        }
        for kind, name, ndcg, lead in (("champion", "als", 0.25, 0.0), ("baseline", "[popular]", 0.125, 0.125))
    ]
    + [{"kind": "baseline", "name": "EASE", "intervals": None}],
    "similar": {
        "what": "interchange",
        "table": [{"name": "blend", "ndcg@10": spread(0.5), "lead": spread(0.0), "metrics": {"questions": 99.0}}],
    },
    "due": {
        "table": [
            {"name": "buy-again", "horizons": {"7": {"people": 5, "ndcg@10": spread(0.5), "lead": spread(0.0)}}},
        ]
    },
    "kinds": {
        "basket": {
            "first": "mixed",
            "usual": "linked",
            "questions": 77,
            "asked": 33,
            "table": [
                {"name": "mixed", "ndcg@10": spread(0.5), "lead": spread(0.0)},
                {"name": "linked", "ndcg@10": spread(0.25), "lead": spread(0.25)},
            ],
        }
    },
}


def test_eval_shows_the_figures_of_the_report(shop: Context) -> None:
    assert set(RELEVANCES) == set(Relevance)
    missing = run("eval")
    assert missing.exit_code == 4
    assert "`recsys train` makes them" in missing.output
    save_figures(shop, "20261121T020000Z-aa", {"family": None, "refusal": "als is worse than popular", "reason": "few"})
    save_figures(shop, "20261122T020000Z-bb", FIGURES)
    found = answer("eval")
    assert found["version"] == "20261122T020000Z-bb"
    assert [table["title"] for table in found["tables"]] == [
        "models, all purchases",
        "similar",
        "buy-again, 7 days",
        "basket",
    ]
    assert found["tables"][3]["lines"][1] == {"name": "linked", "ndcg@10": spread(0.25), "lead": spread(0.25)}
    assert found["not_judged"] == ["bought-together", "session", "because-you-viewed", "because-you-bought"]
    text = run("eval").output
    for said in (
        "published als",
        "[popular] (baseline)",
        "0.1250 (0.0000 to 0.2500)",
        "+0.1250 (+0.0000 to +0.2500)",
        "basket: 77 questions of 33; first stands mixed",
        "similar: 99 questions, interchange",
    ):
        assert said in text
    older = run("eval", "--version", "20261121T020000Z-aa").output
    assert "refused: als is worse than popular" in older
    assert "nothing was judged" in older
    assert run("eval", "--version", "20200101T000000Z-cc").exit_code == 4


def test_eval_says_what_is_damaged(shop: Context) -> None:
    save_figures(shop, "20261122T020000Z-bb", {**FIGURES, "kinds": {"basket": {}}})
    assert run("eval").exit_code == 7
    shop.bucket.put(shop.keys.model_file("20261122T020000Z-bb", "metrics.json"), b"{")
    assert run("eval").exit_code == 7
    damaged: list[dict[str, Any]] = [
        {"kinds": []},
        {"table": [1]},
        {"due": {"table": [{}]}},
        {"similar": {"table": [1]}},
    ]
    for damage in damaged:
        with pytest.raises(CorruptError):
            tables_of({**FIGURES, **damage})


def test_doctor_finds_what_is_missing_and_what_is_wrong(shop: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    findings = {finding["check"]: finding["outcome"] for finding in answer("doctor")}
    assert findings["conditional put"] == "ok"
    assert findings["store"] == findings["serving"] == "warning"
    monkeypatch.setenv("RECSYS_S3_SECRET_KEY", "wrong")
    result = run("doctor")
    assert result.exit_code == 1
    assert "RECSYS_S3_SECRET_KEY" in result.output


@pytest.mark.s3
def test_the_quarantine_is_listed_and_shown(shop: Context) -> None:
    assert run("quarantine").stdout == "nothing is in the quarantine\n"
    refused = ingest(shop, "events/[a] bad.csv", events_csv("u,i,2026-01-01,1", "u,i,2026-01-01,0"))
    key = refused.details["quarantine"]
    listed = run("quarantine").stdout
    assert "1 of 2 rows: 1 qty_below_one" in listed
    assert key in listed
    shown = run("quarantine", key).stdout
    assert "What to do: for a return or cancellation" in shown
    assert "row 2, qty: qty_below_one" in shown
    assert [one["report"] for one in answer("quarantine")] == [key]
    assert run("quarantine", "quarantine/no.json").exit_code == 4
