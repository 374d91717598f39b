"""A file that was uploaded by mistake and shows people is refused, and nothing of it is kept."""

from __future__ import annotations

import gzip
import io
import zipfile
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from common.errors import ReaderDied
from common.schemas.documents import RunState
from common.store.uploads.bounds import Bounds
from common.store.uploads.personal import Personal, PersonalJob, kind_of_name, kind_of_value, traces_of
from common.usecases.erase.erase import erase
from common.usecases.ingest import take_upload
from common.usecases.ingest.ingest import drain
from common.usecases.shared.context import Context
from tests.store.shop import csv_of, everything_in, ingest, keys_under, report_of

BOUNDS = Bounds(rows=100_000, columns=1_000, line_bytes=1 << 20, unpacked_bytes=1 << 30)

PEOPLE = {
    Personal.EMAILS: [
        "Email",
        "e-mail",
        "Email (Billing)",
        "customer_email",
        "E-Mail-Adresse",
        "Courriel",
        "mail",
        "E-post",
    ],
    Personal.ADDRESSES: [
        *("billing_address_street", "Address 1&2 (Shipping)", "Postcode (Billing)", "PLZ", "Straße", "Postal code"),
        *("Rue", "Indirizzo", "shipping_address_zipcode", "Dirección", "Zip", "Code postal", "Kod pocztowy"),
    ],
    Personal.NAMES: ["First name", "customer_lastname", "Vorname", "Nachname", "Prénom", "Cognome", "Efternamn"],
    Personal.PHONES: ["Phone (Billing)", "Telefon", "Téléphone", "tel"],
}
NOBODY = [
    *("user_id", "item_id", "ts", "qty", "event_type", "order_id", "session_id", "price", "consent", "category"),
    *("brand", "img_url", "title", "url", "currency", "available", "created_at", "regular_price", "description"),
    *("Image address", "Webadresse (URL)", "Allow customer reviews?", "Kundenbewertungen erlauben?", "Name", "SKU"),
    *("Shipping class", "Versandklasse", "Stock", "Purchase note", "Manufacturer", "product_type", "Position"),
    *("cover_media_url", "Gallery images", "Customer type", "customer_id", "Quantity", "Attribution", "colour"),
]


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in PEOPLE.items() for name in names])
def test_columns_of_people_are_known_by_their_names(kind: Personal, name: str) -> None:
    assert kind_of_name(name) is kind


@pytest.mark.parametrize("name", NOBODY)
def test_columns_of_goods_and_of_our_own_are_not(name: str) -> None:
    assert kind_of_name(name) is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("anna@shop.example", Personal.EMAILS),
        ("write to a.b+c@mail.shop.example!", Personal.EMAILS),
        ("Musterstraße 12a", Personal.ADDRESSES),
        ("Lange Str. 4", Personal.ADDRESSES),
        ("12, rue Victor", Personal.ADDRESSES),
        ("Via Roma 3", Personal.ADDRESSES),
        ("5 Baker Street", Personal.ADDRESSES),
        ("tea @ home", None),
        ("Size 12", None),
        ("Coffee via drip", None),
        ("2026-11-30", None),
        ("Espresso 1 kg", None),
    ],
)
def test_values_that_show_people_are_known(text: str, kind: Personal | None) -> None:
    assert kind_of_value(text) is kind


def test_of_a_column_of_buyers_names_are_known() -> None:
    assert kind_of_value("M. Mustermann", of_buyer=True) is Personal.NAMES
    assert kind_of_value("M. Mustermann") is kind_of_value("household-17", of_buyer=True) is None


ORDERS = csv_of(
    "Order,First Name (Billing),Address 1&2 (Billing),Email (Billing),SKU,Quantity",
    "244,Max,Weg 1,max.mustermann@shop.example,TSH-01,1",
    "245,Max,Weg 1,max.mustermann@shop.example,SOC-6F,2",
)
TRACES = (b"Max", b"max.", b"Mustermann", b"mustermann", b"Weg 1")


def nothing_is_left_of_people(ctx: Context) -> bool:
    return not any(trace in data for data in everything_in(ctx).values() for trace in TRACES)


@pytest.mark.parametrize("kind", ["events", "items", "erasures"])
def test_of_an_order_export_only_what_was_wrong_with_it_is_kept(shop: Context, kind: str) -> None:
    run = ingest(shop, f"{kind}/orders.csv", ORDERS)
    assert run.state is RunState.REFUSED
    report = report_of(shop, run)
    assert (report.file, report.rows_file, report.rows_read) == (None, None, 2)
    said = "it shows people: e-mail addresses (column 4); postal addresses (column 3); names (column 2); rows: 2."
    for text in (report.problem or "", (run.error or {})["message"]):
        assert said in text
        assert "The original is with whoever sent it" in text
    assert keys_under(shop, "incoming/") == []
    assert nothing_is_left_of_people(shop)


def test_older_versions_of_it_go_as_well(shop: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    purged: list[str] = []

    def purge(_bucket: object, prefix: str) -> int:
        purged.append(prefix)
        return 0

    monkeypatch.setattr(type(shop.bucket), "purge_versions", purge)
    ingest(shop, "items/orders.csv", ORDERS)
    ingest(shop, "items/other.csv", b"a,b\n1,2\n")
    assert purged == ["incoming/items/orders.csv"]


def test_several_small_ones_that_are_taken_in_together(shop: Context) -> None:
    for number in range(3):
        shop.bucket.put(f"{shop.keys.incoming_items}{number}.csv", ORDERS)
    assert [run.state for run in drain(shop)] == [RunState.REFUSED] * 3
    assert nothing_is_left_of_people(shop)


def test_a_refused_file_that_shows_nobody_is_kept_as_it_came(shop: Context) -> None:
    data = csv_of("Product ID;Image;Name", "1;https://h/a.jpg;Tea")
    report = report_of(shop, ingest(shop, "items/grid.csv", data))
    blob = shop.bucket.get(report.file or "")
    assert blob
    assert blob.data == data


def test_where_looking_kills_what_looks_the_bytes_are_looked_at(shop: Context, monkeypatch: pytest.MonkeyPatch) -> None:
    def dies(_job: PersonalJob, _seconds: float) -> None:
        raise ReaderDied("SIGSEGV")

    monkeypatch.setattr(take_upload, "traces_apart", dies)
    run = ingest(shop, "items/orders.csv", ORDERS)
    assert "it shows people: e-mail addresses" in (report_of(shop, run).problem or "")
    assert nothing_is_left_of_people(shop)


def test_a_refused_row_of_items_is_kept_in_the_columns_of_the_contract(shop: Context) -> None:
    header = "item_id,category,brand,price,img_url,seller_email,note"
    run = ingest(
        shop, "items/a.csv", csv_of(header, "a,c,b,1,,,x", "b,c,b,2,,,y", "c,c,b,free,,max.mustermann@shop.example,z")
    )
    assert (run.state, run.counts["rows_refused"]) == (RunState.DONE, 1)
    blob = shop.bucket.get(report_of(shop, run).rows_file or "")
    assert blob
    head, row = blob.data.decode().splitlines()
    assert head == "row,code,column,problem,remedy,value,item_id,category,brand,price,img_url"
    assert row.endswith(",c,c,b,free,")
    assert b"mustermann" not in blob.data


def test_an_erasure_ends_every_whole_file_whatever_it_was_uploaded_as(shop: Context) -> None:
    """Nobody can tell whom such a file names, that of items neither."""
    for kind in ("events", "items", "erasures"):
        ingest(shop, f"{kind}/grid.csv", csv_of("Customer,Total", "47,3"))
    assert len([key for key in keys_under(shop, "quarantine/") if key.endswith(".csv")]) == 3
    erase(shop, ["somebody"])
    assert [key for key in keys_under(shop, "quarantine/") if key.endswith(".csv")] == []


FORMS = ("csv", "semicolons", "tabs", "cp1252", "utf-16", "workbook", "gzip", "parquet", "dictionary")


def written(form: str, rows: list[list[str]], path: Path) -> str:
    """Writes the table to `path` in this form; its first row is the header. Returns the name that it is uploaded as."""
    separator = {"semicolons": ";", "tabs": "\t"}.get(form, ",")
    text = "\r\n".join(separator.join(row) for row in rows)
    if form in ("parquet", "dictionary"):
        columns = {f"{number} {name}": [row[number] for row in rows[1:]] for number, name in enumerate(rows[0])}
        table = pa.table(columns)
        pq.write_table(table, path, compression="zstd", use_dictionary=form == "dictionary")
        return "a.parquet"
    data = text.encode({"cp1252": "cp1252", "utf-16": "utf-16"}.get(form, "utf-8"), errors="replace")
    if form == "workbook":
        packed = io.BytesIO()
        with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("xl/sharedStrings.xml", data)
        data = packed.getvalue()
    path.write_bytes(gzip.compress(data) if form == "gzip" else data)
    return "a.xlsx" if form == "workbook" else "a.csv"


CELLS = st.text(st.characters(codec="cp1252", categories=("L", "N", "Zs")), max_size=9)


@settings(deadline=None, max_examples=150)
@given(
    rows=st.lists(st.lists(CELLS, min_size=3, max_size=3), min_size=1, max_size=9),
    at=st.tuples(st.integers(0, 8), st.integers(0, 2)),
    shown=st.sampled_from(["anna@shop.example", "Musterstraße 12", "x anna.b@mail.shop.example y"]),
    form=st.sampled_from(FORMS),
)
@example(rows=[["a"] * 3] * 9, at=(8, 2), shown="anna@shop.example", form="utf-16")
def test_people_are_found_wherever_they_stand_and_however_the_file_was_written(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], at: tuple[int, int], shown: str, form: str
) -> None:
    directory = tmp_path_factory.mktemp("personal")
    row, column = at[0] % len(rows), at[1]
    rows[row] = [shown if place == column else cell for place, cell in enumerate(rows[row])]
    name = written(form, [["article", "colour", "size"], *rows], directory / "upload")
    job = PersonalJob(directory / "upload", name, directory, 256 << 20, BOUNDS)
    found = traces_of(job)
    assert found
    assert "anna" not in found.told()
    assert "Muster" not in found.told()


@pytest.mark.parametrize("form", FORMS)
def test_a_table_of_goods_shows_nobody(tmp_path: Path, form: str) -> None:
    rows = [["article", "colour", "size"], *[[f"shirt {number}", "red @ blue", str(number)] for number in range(50)]]
    name = written(form, rows, tmp_path / "upload")
    assert not traces_of(PersonalJob(tmp_path / "upload", name, tmp_path, 256 << 20, BOUNDS))


def test_what_stands_far_down_is_found_by_its_text(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_text("a,b\n" + "x,y\n" * 600_000 + "x,anna@shop.example\n" + "x,y\n" * 10)
    found = traces_of(PersonalJob(path, "a.csv", tmp_path, 256 << 20, BOUNDS))
    assert found.columns == {}
    assert found.told().startswith("The file is not kept, because it shows people: e-mail addresses; rows: 600011.")


def test_an_archive_that_unpacks_to_far_more_is_looked_at_in_part(tmp_path: Path) -> None:
    path = tmp_path / "upload"
    path.write_bytes(gzip.compress(bytes(64 << 20)))
    bounds = replace(BOUNDS, unpacked_bytes=1 << 20)
    assert not traces_of(PersonalJob(path, "a.csv", tmp_path, 256 << 20, bounds))
