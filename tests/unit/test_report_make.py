"""From a run's figures to its report: what is taken over, in which order, and what changed since the run before."""

from __future__ import annotations

import json
import time
from typing import Any

import numpy as np
import pytest

from common.evaluation.cases import Relevance
from common.evaluation.report.profile import profile_of
from common.usecases.train import metrics_json as figures
from common.usecases.train.report.make import make_report
from common.usecases.train.report.samples import popularity_of, sold_by_item
from tests.shops import Event, interactions
from tests.unit.test_comparison import als, compare, two_tastes


@pytest.fixture(scope="module")
def run_figures() -> dict[str, Any]:
    """As `metrics.json` has them."""
    data = two_tastes()
    comparison = compare(data, [als(), als(factors=8)], time.monotonic() + 100)
    run = {
        "shop": "corner-shop",
        "version": "20260102T020000Z-00",
        "made_at": "2026-01-02T02:00:00+00:00",
        "family": "als",
        "params": {"factors": 4},
        "refusal": None,
        "data": profile_of(data, 20).model_dump(mode="json"),
    }
    found: dict[str, Any] = json.loads(json.dumps(figures.full(comparison, comparison.final.winner, 7) | run))
    return found


def test_the_table_has_the_figures_of_the_run(run_figures: dict[str, Any]) -> None:
    report = make_report(run_figures, None)
    champion = report.table[0]
    assert (champion.kind, champion.name) == ("champion", "als")
    assert champion.ndcg[Relevance.NEW].mean == pytest.approx(run_figures["model"]["new_purchases"]["ndcg@10"])
    assert champion.lead[Relevance.NEW].mean == 0
    assert report.window is not None
    assert report.window.people == run_figures["window"]["people"]
    assert report.decided_by is Relevance.NEW
    assert {row.name for row in report.table} >= {"popular", "EASE", "own most frequent"}


def test_trials_come_in_the_order_of_time(run_figures: dict[str, Any]) -> None:
    record = {"family": "als", "number": 0, "params": {}, "state": "done", "reason": None, "width": 4}
    search = [
        {**record, "seconds": 3.0, "score": 0.9, "began_s": 20.0, "curve": {}},
        {**record, "seconds": 2.0, "score": None, "began_s": 10.0, "curve": {"2": 0.5, "1": 0.4}},
    ]
    report = make_report({**run_figures, "search": search}, None)
    assert [attempt.score for attempt in report.attempts[-2:]] == [None, 0.9]
    assert len(report.attempts) == 4
    assert [(curve.name, curve.points) for curve in report.curves] == [("als, trial 0", ((1, 0.4), (2, 0.5)))]


def test_changes_compare_with_the_run_before(run_figures: dict[str, Any]) -> None:
    before = json.loads(json.dumps(run_figures))
    before |= {"version": "20260101T020000Z-00", "family": "popular"}
    before["data"]["people"] -= 2
    before["model"]["new_purchases"]["ndcg@10"] -= 0.01
    report = make_report(run_figures, before)
    assert report.previous == "20260101T020000Z-00"
    changes = {change.what: change for change in report.changes}
    assert (changes["published model"].before, changes["published model"].now) == ("popular", "als")
    assert changes["people"].difference == "+2"
    assert changes["NDCG@10, only what was new to them"].difference == "+0.0100"
    assert changes["NDCG@10, everything they bought"].difference == "+0.0000"


def test_a_run_before_without_a_comparison_has_no_figures_to_compare(run_figures: dict[str, Any]) -> None:
    before = {name: run_figures[name] for name in ("version", "family", "data")}
    changes = {change.what: change for change in make_report(run_figures, before).changes}
    assert changes["NDCG@10, everything they bought"].before == "–"
    assert changes["NDCG@10, everything they bought"].difference == ""


class TestPopularity:
    def test_shares_are_by_tenths_of_the_items(self) -> None:
        data = interactions(
            Event("a", f"i{item:02}", item + time / 9) for item in range(20) for time in range(item // 5)
        )
        sold = sold_by_item(data)
        found = popularity_of(sold, [np.array([item]) for item in (10, 10, 10, 4)])
        assert found is not None
        assert sum(found.purchases) == pytest.approx(1)
        # Fifteen items are sold; of the first tenth, 1.5 items, the second is counted with it.
        assert found.purchases[0] == pytest.approx(2 * max(sold) / sum(sold))
        assert (found.recommendations[0], found.recommendations[-1]) == (0.75, 0.25)
        assert (found.shown_items, found.items, found.people) == (2, len(sold), 4)

    def test_without_recommendations_there_is_nothing_to_show(self) -> None:
        assert popularity_of(sold_by_item(interactions([Event("a", "x")])), []) is None
