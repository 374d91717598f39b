"""What becomes of whole files: the forms that are read, and those that go to the quarantine."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pyarrow as pa
import pytest

from common.bucket.port import ObjectInfo
from common.errors import RecsysError
from common.schemas.documents import RunState
from common.usecases.ingest.ingest import drain, ingest_object
from common.usecases.shared.context import Context
from common.usecases.shared.deadline import Deadline
from common.usecases.shared.waiting import waiting_uploads
from tests.store.shop import csv_of, events_csv, ingest, keys_under, parquet_of, report_of, rows_of, stored

HEADER = "user_id,item_id,ts,qty"
ROWS = ["anna,a,2026-01-01,1", "bert,b,2026-01-02,2"]
GOOD_PARQUET = parquet_of({"user_id": ["u"], "item_id": ["i"], "ts": [1_767_268_800], "qty": [1]})


def test_csv_separators_and_encodings(shop: Context) -> None:
    forms = {
        "comma": csv_of(HEADER, *ROWS),
        "semicolon": csv_of(HEADER, *ROWS, separator=";"),
        "tab": csv_of(HEADER, *ROWS, separator="\t"),
        "byte order mark": csv_of(HEADER, *ROWS, encoding="utf-8-sig"),
        "windows line ends": csv_of(HEADER, *ROWS).replace(b"\n", b"\r\n"),
        "no line end at the end": csv_of(HEADER, *ROWS).rstrip(),
        "blank lines": csv_of(HEADER, "", *ROWS, ""),
        "quoted": csv_of(HEADER, '"anna","a","2026-01-01","1"', '"bert","b","2026-01-02","2"'),
        "spaces": csv_of(" User_ID , ITEM_ID, Ts ,qty", *(row.replace(",", " , ") for row in ROWS)),
        "columns in another order": csv_of("qty,ts,item_id,user_id", "1,2026-01-01,a,anna", "2,2026-01-02,b,bert"),
    }
    for name, data in forms.items():
        run = ingest(shop, f"events/{name}.csv", data)
        # The first lands, and all others say the same.
        assert (run.state, run.counts["rows_read"], run.reasons) == ("done", 2, {}), name
        assert run.notices[1:] == (), name
    assert [row[:2] for row in rows_of(shop, ["anna", "bert"])] == [("anna", "a"), ("bert", "b")]


def test_windows_1252_is_read_and_said(shop: Context) -> None:
    run = ingest(shop, "events/a.csv", csv_of(HEADER, "u,Käse €,2026-01-01,1", encoding="cp1252"))
    assert any("Windows-1252" in notice for notice in run.notices)
    assert rows_of(shop)[0][1] == "Käse €"


def test_quoted_line_breaks_and_separators_stay_in_their_field(shop: Context) -> None:
    data = b'item_id,category,brand,price,img_url,title\ni,"a,b",x,1,,"two\nlines ""quoted"""\nj,c,y,2,,\n'
    ingest(shop, "items/a.csv", data)
    catalogue = stored(shop).catalogue
    assert catalogue.categories == ("a,b", "c")
    assert catalogue.titles == ('two\nlines "quoted"', "")


def test_rows_with_a_wrong_number_of_fields_are_refused_with_their_numbers(
    shop_with: Callable[..., Context],
) -> None:
    shop = shop_with(max_bad_rows=1)
    rows = [
        "u,a,2026-01-01,1",
        "secret-user,b",
        'u,"two\nlines",2026-01-01,1',
        "u,c,2026-01-01,1,9",
        'u,"x"y,2026-01-01,1',
    ]
    run = ingest(shop, "events/a.csv", csv_of(HEADER, *rows, "u,d,2026-01-01,1", "u,e,2026-01-01,1"))
    assert run.counts == {"rows_read": 7, "rows_refused": 4, "rows_kept": 3, "rows_repeated": 0}
    found = [(row.row, row.reason) for row in report_of(shop, run).rows]
    assert found == [
        (2, "wrong_number_of_fields"),
        (3, "item_id_control_characters"),
        (4, "wrong_number_of_fields"),
        (5, "broken_quotes"),
    ]


def cut_off() -> bytes:
    return parquet_of({"user_id": ["u"] * 5000, "item_id": ["i"] * 5000, "ts": [1] * 5000, "qty": [1] * 5000})[:-300]


def scrambled() -> bytes:
    """A Parquet file whose footer is whole and whose pages are not."""
    users = [f"u{number}" for number in range(5000)]
    whole = bytearray(parquet_of({"user_id": users, "item_id": users, "ts": [1] * 5000, "qty": [1] * 5000}))
    whole[4:4000] = bytes(255 - byte for byte in whole[4:4000])
    return bytes(whole)


def not_utf8() -> bytes:
    text = pa.Array.from_buffers(pa.string(), 1, [None, pa.py_buffer(b"\0\0\0\0\2\0\0\0"), pa.py_buffer(b"\xff\xfe")])
    return parquet_of({"user_id": text, "item_id": ["i"], "ts": [1], "qty": [1]})


def damaged_footer() -> bytes:
    size = int.from_bytes(GOOD_PARQUET[-8:-4], "little")
    return GOOD_PARQUET[: -8 - size] + bytes(size) + GOOD_PARQUET[-8:]


def same_name_twice() -> bytes:
    return parquet_of({"user_id": ["u"], "USER_ID": ["u"], "item_id": ["i"], "ts": [1], "qty": [1]})


def sixty_percent_bad() -> bytes:
    return events_csv(*ROWS * 2, *["u,i,2026-01-01,0"] * 6)


REJECTED: dict[str, tuple[str, bytes, str]] = {
    "text named parquet": ("a.parquet", events_csv(*ROWS), "is not Parquet"),
    "Parquet named csv": ("a.csv", GOOD_PARQUET, "is not text"),
    "workbook named csv": ("a.csv", b"PK\x03\x04" + bytes(100), "is not text"),
    "zero bytes in a csv": ("a.csv", events_csv(*ROWS) + b"\0", "is not text"),
    "cut-off Parquet": ("a.parquet", cut_off(), "cut off"),
    "cut-off Parquet of a few bytes": ("a.parquet", b"PAR1", "cut off"),
    "footer longer than the file": ("a.parquet", GOOD_PARQUET[:-8] + b"\xff\xff\xff\x7fPAR1", "footer"),
    "damaged footer": ("a.parquet", damaged_footer(), "damaged"),
    "damaged pages": ("a.parquet", scrambled(), "damaged"),
    "text that is not UTF-8 in Parquet": ("a.parquet", not_utf8(), "damaged"),
    "empty csv": ("a.csv", b"", "empty (0 bytes)"),
    "empty Parquet": ("a.parquet", b"", "empty (0 bytes)"),
    "blank csv": ("a.csv", b"\n", "none of the required columns"),
    "UTF-32": ("a.csv", events_csv(*ROWS).decode().encode("utf-32"), "UTF-32"),
    "UTF-16 cut within a letter": ("a.csv", events_csv(*ROWS).decode().encode("utf-16")[:-1], "UTF-16"),
    "UTF-8 and others": (
        "a.csv",
        csv_of(HEADER, "é,a,2026-01-01,1") + b"\xe4,a,2026-01-01,1\n" * 3,
        "some rows are UTF-8",
    ),
    "other encoding": ("a.csv", csv_of(HEADER, "u,\x81,2026-01-01,1", encoding="latin-1"), "neither UTF-8"),
    "another suffix": ("a.xlsx", b"PK\x03\x04", "ends in .parquet or .csv"),
    "missing column": ("a.csv", csv_of("user_id,item_id,ts", "u,i,1"), "qty is missing; found: user_id, item_id, ts"),
    "renamed column": ("a.csv", csv_of("customer_id,item_id,ts,qty", "u,i,1,1"), "Rename customer_id to user_id"),
    "misspelt column": ("a.csv", csv_of("user_id,item_id,ts,qtty", "u,i,1,1"), "Rename qtty to qty"),
    "no header": ("a.csv", csv_of("anna,i,2026-01-01,1", *ROWS), "The first line of a CSV file must name"),
    "one name twice": ("a.csv", csv_of("user_id,User_ID ,item_id,ts,qty", "u,u,i,1,1"), "'user_id' and 'User_ID ' are"),
    "one name twice in Parquet": ("a.parquet", same_name_twice(), "'user_id' and 'USER_ID' are the same"),
    "60 % bad rows": ("a.csv", sixty_percent_bad(), "6 of 10 rows are bad, which is more than 50%"),
}


@pytest.mark.parametrize(("name", "data", "said"), REJECTED.values(), ids=REJECTED.keys())
def test_a_rejected_file_is_moved_to_the_quarantine_and_said_why(
    shop: Context, name: str, data: bytes, said: str
) -> None:
    run = ingest(shop, f"events/{name}", data)
    assert run.state is RunState.REFUSED
    assert run.error is not None
    assert run.error["code"] == "file_rejected"
    assert said in run.error["message"]
    assert f"incoming/events/{name}" in run.error["message"]
    report = report_of(shop, run)
    assert report.problem is not None
    assert said in report.problem
    assert report.file is not None
    moved = shop.bucket.get(report.file)
    assert moved is not None
    assert moved.data == data
    assert keys_under(shop, "incoming/") == []
    assert keys_under(shop, "store/") == []


def test_no_message_holds_what_the_first_line_says_if_it_is_no_header(shop: Context) -> None:
    run = ingest(shop, "events/a.csv", csv_of("anna@example.org,i,2026-01-01,1"))
    assert "anna" not in run.model_dump_json()
    assert "anna" not in report_of(shop, run).model_dump_json()


def test_a_file_of_bad_rows_is_refused_whole_with_every_reason(shop: Context) -> None:
    run = ingest(shop, "events/a.csv", events_csv(*ROWS, *["u,i,2026-01-01,0"] * 2, "u,,2026-01-01,1"))
    assert run.state is RunState.REFUSED
    assert run.counts == {"rows_read": 5, "rows_refused": 3}
    assert run.reasons == {"qty_below_one": 2, "item_id_empty": 1}
    assert [row.row for row in report_of(shop, run).rows] == [3, 4, 5]
    assert shop.store_file.read().document is None


def test_just_as_many_bad_rows_as_allowed_are_taken(shop_with: Callable[..., Context]) -> None:
    shop = shop_with(max_bad_rows=0.25)
    run = ingest(shop, "events/a.csv", events_csv(*ROWS, "u,i,2026-01-01,3", "u,i,2026-01-01,0"))
    assert (run.state, run.counts["rows_kept"]) == ("done", 3)


@pytest.mark.parametrize("data", [b"user_id,item_id,ts,qty\n", b"user_id,item_id,ts,qty"])
def test_a_file_without_rows_is_done(shop: Context, data: bytes) -> None:
    run = ingest(shop, "events/a.csv", data)
    assert run.state is RunState.DONE
    assert run.counts == {"rows_read": 0, "rows_refused": 0, "rows_kept": 0, "rows_repeated": 0}
    assert "the file has no rows" in run.notices
    assert keys_under(shop, "incoming/") == []


def test_a_parquet_file_without_rows_is_done(shop: Context) -> None:
    columns = {"user_id": pa.array([], pa.string()), "item_id": pa.array([], pa.string())}
    columns |= {"ts": pa.array([], pa.int64()), "qty": pa.array([], pa.int64())}
    assert ingest(shop, "events/a.parquet", parquet_of(columns)).counts["rows_read"] == 0


def test_a_key_that_no_longer_exists_is_done_and_said(shop: Context) -> None:
    run = ingest_object(shop, "incoming/events/gone.csv", '"etag-of-the-event"')
    assert run.state is RunState.DONE
    assert run.upload is not None
    assert run.upload.etag == '"etag-of-the-event"'
    assert "is gone, or was ingested by an earlier call" in run.notices[0]


def test_other_places_are_left_alone(shop: Context) -> None:
    for key in ("incoming/a.csv", "incoming/returns/a.csv", "elsewhere/events/a.csv"):
        shop.bucket.put(key, events_csv(*ROWS))
        run = ingest_object(shop, key)
        assert run.state is RunState.REFUSED
        assert shop.bucket.head(key) is not None
    assert drain(shop) == []


def test_an_upload_over_the_limit_is_left_and_said_once(shop_with: Callable[..., Context]) -> None:
    shop = shop_with(max_upload_bytes=20)
    run = ingest(shop, "events/a.csv", events_csv(*ROWS))
    assert run.state is RunState.REFUSED
    assert run.error is not None
    assert "RECSYS_MAX_UPLOAD_BYTES is 20" in run.error["message"]
    assert keys_under(shop, "incoming/") == ["incoming/events/a.csv"]
    assert len(keys_under(shop, "quarantine/")) == 1
    assert drain(shop) == []


def test_two_rejected_uploads_of_one_name_are_both_kept(shop: Context) -> None:
    first = ingest(shop, "events/a.parquet", b"one")
    second = ingest(shop, "events/a.parquet", b"two")
    assert report_of(shop, first).file != report_of(shop, second).file
    assert len(keys_under(shop, "quarantine/")) == 4


def test_the_quarantine_is_emptied_after_its_days(shop_with: Callable[..., Context]) -> None:
    shop = shop_with(quarantine_days=3)
    ingest(shop, "events/a.parquet", b"no Parquet")
    drain(replace(shop, now=lambda: shop.now() + timedelta(days=2)))
    assert len(keys_under(shop, "quarantine/")) == 2
    drain(replace(shop, now=lambda: shop.now() + timedelta(days=4)))
    assert keys_under(shop, "quarantine/") == []


def test_an_upload_is_kept_for_its_days_and_not_read_again(shop_with: Callable[..., Context]) -> None:
    shop = shop_with(keep_uploads_days=3)
    ingest(shop, "events/a.csv", events_csv(*ROWS))
    assert keys_under(shop, "incoming/") == ["incoming/events/a.csv"]
    assert drain(shop) == []
    later = replace(shop, now=lambda: shop.now() + timedelta(days=4))
    assert [run.notices for run in drain(later)] == [("incoming/events/a.csv was ingested already",)]
    assert keys_under(shop, "incoming/") == []
    assert len(rows_of(shop)) == 2


def test_a_failing_upload_does_not_hold_back_the_others(shop: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(ctx: Context, call: Deadline | None, info: ObjectInfo) -> object:
        if info.key.endswith("first.csv"):
            raise RecsysError("out of order")
        return ingest_object(ctx, info.key)

    monkeypatch.setattr("common.usecases.ingest.ingest._take", failing)
    monkeypatch.setattr("common.usecases.ingest.ingest.first_together", lambda *_: ())
    for name in ("first", "second"):
        shop.bucket.put(f"incoming/events/{name}.csv", events_csv(*ROWS))
    with pytest.raises(RecsysError, match="out of order"):
        drain(shop)
    assert len(rows_of(shop)) == 2
    assert keys_under(shop, "incoming/") == ["incoming/events/first.csv"]


@pytest.mark.parametrize("folder", ["event_type=view", "consent=false", "ITEM_ID=7"])
def test_a_folder_that_gives_a_column_refuses_the_file(shop: Context, folder: str) -> None:
    run = ingest(shop, f"events/export/{folder}/a.csv", events_csv(*ROWS))
    assert run.error is not None
    assert f"write the column {folder.partition('=')[0].lower()} into the file" in run.error["message"]


def test_a_folder_of_a_day_is_read_past(shop: Context) -> None:
    assert ingest(shop, "events/dt=2026-01-01/a.csv", events_csv(*ROWS)).counts["rows_kept"] == 2


@pytest.mark.parametrize("name", ["_SUCCESS", "_metadata", ".a.csv.crc", ".DS_Store", "a.csv.crc", ".hidden.csv"])
def test_what_data_tools_leave_beside_is_no_upload(shop: Context, name: str) -> None:
    shop.bucket.put(f"incoming/events/{name}", b"x")
    assert drain(shop) == []
    assert waiting_uploads(shop) == []
    assert shop.bucket.head(f"incoming/events/{name}") is not None


def test_a_name_that_begins_with_an_underscore_may_be_an_upload(shop: Context) -> None:
    assert ingest(shop, "events/_sales.csv", events_csv(*ROWS)).counts["rows_kept"] == 2


def test_a_folder_marker_is_no_upload(shop: Context) -> None:
    shop.bucket.put("incoming/events/", b"")
    assert drain(shop) == []
