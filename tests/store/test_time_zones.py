"""Times without a zone are those of the shop's clock, whatever column they stand in."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import duckdb
import pytest

from common.config import read_settings
from common.errors import SettingError
from common.store.uploads.timestamps import time_field
from common.usecases.operate.doctor import doctor
from common.usecases.shared.context import Context
from tests.memory import SETTINGS
from tests.store.shop import events_csv, ingest

CONNECTION = duckdb.connect()
CONNECTION.execute("SET TimeZone = 'UTC'")


def read(value: Any, kind: str = "VARCHAR", zone: str = "Europe/Berlin") -> datetime | None:
    query = f"SELECT {time_field('ts', 'raw', kind, zone).value} FROM (SELECT ?::{kind} AS raw)"
    found = CONNECTION.execute(query, [value]).fetchone()
    assert found is not None
    time: datetime | None = found[0]
    return time


NINE = datetime(2026, 11, 20, 9, 14, 2)
WITH_A_ZONE = [
    "2026-11-20 10:14:02 +0100",
    "2026-11-20 10:14:02+01",
    "2026-11-20T09:14:02Z",
    "2026-11-20 09:14:02 UTC",
    "20261120T091402Z",
    "Fri, 20 Nov 2026 10:14:02 +0100",
    "20 Nov 2026 09:14:02 GMT",
    "1795166042",
    "1795166042000",
    "1795166042000000",
    "1795166042000000000",
]
WITHOUT = [
    "2026-11-20 10:14:02",
    "2026-11-20T10:14:02",
    "2026/11/20 10:14:02",
    "2026-11-20 10:14:02,000",
    "20261120T101402",
]


@pytest.mark.parametrize("text", WITH_A_ZONE)
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_a_time_with_a_zone_is_a_moment(text: str, zone: str) -> None:
    assert read(text, zone=zone) == NINE


@pytest.mark.parametrize("text", WITHOUT)
def test_a_time_without_one_is_of_the_shop_s_clock(text: str) -> None:
    assert read(text) == NINE
    assert read(text, zone="UTC") == NINE + timedelta(hours=1)


def test_typed_times_without_a_zone_are_of_the_shop_s_clock() -> None:
    assert read(NINE + timedelta(hours=1), "TIMESTAMP") == NINE
    assert read(date(2026, 11, 20), "DATE") == datetime(2026, 11, 19, 23)
    assert read(NINE.replace(tzinfo=UTC), "TIMESTAMP WITH TIME ZONE") == NINE


def test_the_hours_of_the_change() -> None:
    """What clocks leave out is an hour later; what they show twice is of winter time."""
    assert read("2026-03-29 02:30:00") == datetime(2026, 3, 29, 1, 30)
    assert read("2026-03-29 03:30:00") == datetime(2026, 3, 29, 1, 30)
    assert read("2026-10-25 02:30:00") == datetime(2026, 10, 25, 1, 30)
    assert read("2026-10-25 01:30:00") == datetime(2026, 10, 24, 23, 30)


@pytest.mark.parametrize(
    "text", ["2026-02-30", "infinity", "20 Foo 2026 10:14:02 GMT", "Fri", "99999999999999999999999"]
)
def test_what_is_no_time_is_none(text: str) -> None:
    assert read(text) is None


@pytest.mark.parametrize("zone", ["Mars/Olympus", "UTC+1", "'; --"])
def test_a_zone_that_there_is_not_stops_the_start(zone: str) -> None:
    with pytest.raises(SettingError, match="RECSYS_TIMEZONE"):
        read_settings({**SETTINGS, "RECSYS_TIMEZONE": zone})


def test_a_file_hours_ahead_says_what_that_looks_like(shop_with: Callable[..., Context]) -> None:
    shop = shop_with(max_bad_rows=1)
    ahead = (datetime.now(UTC) + timedelta(minutes=50)).strftime("%Y-%m-%d %H:%M:%S")
    data = events_csv(f"u,i,{ahead},1", "u,j,2026-01-01,1")
    run = ingest(shop, "events/a.csv", data)
    assert [notice for notice in run.notices if "RECSYS_TIMEZONE" in notice and "1 h" in notice]
    finding = next(finding for finding in doctor(shop) if finding.check == "time zone")
    assert "those of UTC" in finding.message
    assert finding.advice
    berlin = shop_with(timezone="Europe/Berlin", max_bad_rows=1)
    assert ingest(berlin, "events/a.csv", data).reasons == {}
