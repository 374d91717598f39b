"""What a run says to an admin: the refused rows with remedies, where they lie, and what was noticed."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from common.store.uploads.reasons import REASONS
from common.usecases.ingest.quarantine import list_reports
from common.usecases.operate.doctor import CHECKS, CheckState
from common.usecases.shared.context import Context
from common.usecases.shared.told import MOST_REASONS, told
from tests.memory import memory_context
from tests.store.shop import csv_of, events_csv, ingest

MakeShop = Callable[..., Context]


@pytest.fixture
def shop(tmp_path: Path) -> Context:
    return memory_context(tmp_path, max_bad_rows=1)


def test_the_most_frequent_reasons_are_told_with_their_remedies(shop: Context) -> None:
    bad = ["u,i,3000-01-01,1"] * 4 + ["u,i,2026-01-01,0"] * 3 + ["u,i,2026-01-01,two"] * 2 + ["u,,2026-01-01,1"]
    run = ingest(shop, "events/a.csv", events_csv("u,i,2026-01-01,1", *bad))
    lines = told(run)
    for line, (code, rows) in zip(
        lines, (("ts_in_future", 4), ("qty_below_one", 3), ("qty_not_a_number", 2)), strict=False
    ):
        assert line.startswith(f"{rows} rows refused: {REASONS[code].problem}")
        assert REASONS[code].remedy in line
    assert lines[MOST_REASONS] == "1 row refused for 1 other reason"
    assert lines[MOST_REASONS + 1] == f"`recsys quarantine {run.details['quarantine']}` shows what was refused and why"
    assert lines[MOST_REASONS + 2 :] == list(run.notices)


def test_a_run_without_news_says_nothing(shop: Context) -> None:
    ingest(shop, "items/a.csv", csv_of("item_id,category,brand,price,img_url", "i,c,b,1,"))
    assert told(ingest(shop, "events/a.csv", events_csv("u,i,2026-01-01,1"))) == []


def test_the_quarantine_is_listed_newest_first(shop: Context) -> None:
    first = ingest(shop, "events/a.csv", events_csv("u,i,2026-01-01,1", "u,i,2026-01-01,0"))
    second = ingest(shop, "events/b.csv", csv_of("nothing,known", "1,2"))
    keys = [key for key, _ in list_reports(shop)]
    assert set(keys) == {first.details["quarantine"], second.details["quarantine"]}
    assert [report.problem is None for key, report in list_reports(shop) if key == first.details["quarantine"]] == [
        True
    ]


def test_the_doctor_tells_what_was_refused(shop: Context) -> None:
    assert CHECKS["refused rows"](shop).outcome is CheckState.OK
    ingest(shop, "events/a.csv", events_csv("u,i,2026-01-01,1", "u,i,2026-01-01,0"))
    found = CHECKS["refused rows"](shop)
    assert found.outcome is CheckState.WARNING
    assert REASONS["qty_below_one"].remedy in found.message
    assert "recsys quarantine" in found.advice
