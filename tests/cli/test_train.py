"""`recsys train`, as the person reads it who has called it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from typer.testing import CliRunner, Result

from common.cli.app import app
from common.evaluation.cases import Relevance
from common.usecases.shared.context import Context
from common.usecases.shared.run_watch import recent_runs
from tests.functions.test_train import QUICK, sell, two_tastes

pytestmark = pytest.mark.s3


@pytest.fixture
def shop_with(
    environment: dict[str, str], context_with: Callable[..., Context], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Context]:
    """A shop with these settings, which are the operator's too."""

    def make(**settings: object) -> Context:
        changed = {f"RECSYS_{name.upper()}": str(value) for name, value in settings.items()}
        for name, value in {**environment, **changed}.items():
            monkeypatch.setenv(name, value)
        return context_with(**settings)

    return make


def train(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["train", *arguments], catch_exceptions=False)


def lines_of(result: Result) -> dict[str, str]:
    """The lines by their first word."""
    return {line.split()[0]: line for line in result.stdout.splitlines() if line.strip()}


def assert_is_for_people(text: str) -> None:
    assert not re.search(r"[<>{}]|Relevance|_purchases|None", text), text


def test_what_is_published_is_told_with_its_figures(shop_with: Callable[..., Context]) -> None:
    shop = shop_with(**QUICK)
    sell(shop, two_tastes())
    result = train()
    assert result.exit_code == 0
    assert_is_for_people(result.stdout)
    [run] = [run for run in recent_runs(shop, 5) if run.function == "train"]
    lines = lines_of(result)
    assert lines["done:"] == f"done: als is served, bundle {run.details['bundle_id']}"
    for relevance, words in ((Relevance.ALL, "purchases"), (Relevance.NEW, "purchases new to them")):
        ours, popular = (run.details[name][relevance]["ndcg@10"] for name in ("model", "popular"))
        [row] = [line for line in result.stdout.splitlines() if re.match(rf" *{words} +\d", line)]
        figures = " +".join(map(re.escape, (f"{ours:.4f}", f"{popular:.4f}", f"{ours - popular:+.4f}")))
        assert re.search(rf"{figures} \([+-][\d.]+ to [+-][\d.]+\)", row)
        assert row.rstrip().endswith("decides") == (relevance is Relevance.NEW)
    assert "420 events" in lines["learned"]
    assert f"factors {run.details['params']['factors']}" in lines["settings"]
    assert f"`recsys report --version {run.run_id}`" in lines["report"]
    assert CliRunner().invoke(app, ["report", "--version", run.run_id, "--out", "/dev/null"]).exit_code == 0


def test_a_refusal_is_told_with_its_reason_and_figures(shop_with: Callable[..., Context]) -> None:
    """In the last ten days everybody buys what the others did."""
    shop = shop_with(**QUICK, purchased="show")
    sell(shop, two_tastes(days=60))
    train("--no-evaluate")
    sell(shop, [event for event in two_tastes(turned_after=60) if event.day > 60])
    result = train()
    assert result.exit_code == 5
    assert_is_for_people(result.stdout)
    [run, _] = [run for run in recent_runs(shop, 9) if run.function == "train"]
    assert run.error is not None
    assert f"refused: {run.error['message']}" in result.stdout.splitlines()
    assert "worse than popular" in run.error["message"]
    ours = run.details["model"][Relevance.ALL]["ndcg@10"]
    assert re.search(rf"purchases +{ours:.4f} ", result.stdout)
    assert run.run_id in lines_of(result)["report"]


def test_a_run_without_a_comparison_says_why_and_has_no_figures(shop_with: Callable[..., Context]) -> None:
    sell(shop_with(**QUICK), two_tastes(days=20))
    result = train("--no-evaluate")
    assert result.exit_code == 0
    assert_is_for_people(result.stdout)
    assert "note: not judged: evaluation was switched off" in result.stdout.splitlines()
    assert "NDCG" not in result.stdout


def test_a_shop_without_events_is_told_what_to_do(shop_with: Callable[..., Context]) -> None:
    shop = shop_with(**QUICK)
    result = train()
    assert result.exit_code == 5
    assert f"refused: the store has no events: upload some to {shop.keys.incoming_events}" in result.stdout
    assert "report" not in lines_of(result)
    refused = json.loads(train("--json").stdout)
    assert (refused["state"], refused["error"]["code"]) == ("refused", "refused")
