"""What a file shows of people that was refused whole: such a file is not kept.

An order export or a list of customers that was uploaded by mistake has names, streets and e-mail addresses. Columns are
known by their names, which shops write in many languages, and by what stands in them. Nothing of the file is quoted,
since without a header even its first line is data: a column is told by its number.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from itertools import islice
from pathlib import Path
from typing import Final

import duckdb

from common.errors import FileRejected
from common.store.engine import Connection, connect_hardened, literal, quoted
from common.store.uploads.bounds import Bounds
from common.store.uploads.columns import ITEMS
from common.store.uploads.fields import FLOATING, WHOLE
from common.store.uploads.files import PARQUET, Column, Source


class Personal(StrEnum):
    """What a column may hold of people."""

    EMAILS = "e-mail addresses"
    ADDRESSES = "postal addresses"
    NAMES = "names"
    PHONES = "telephone numbers"


_WORDS: Final[Mapping[Personal, tuple[str, ...]]] = {
    Personal.EMAILS: ("email", "courriel", "correoelectronico", "postaelettronica", "mailadres"),
    Personal.ADDRESSES: (
        "street", "strasse", "address", "adresse", "anschrift", "adres", "indirizzo", "direccion", "endereco",
        "postcode", "postalcode", "zipcode", "postleitzahl", "codepostal", "codigopostal", "kodpocztowy", "ulica",
        "hausnummer", "housenumber", "postnummer",
    ),
    Personal.NAMES: (
        "firstname", "lastname", "surname", "fullname", "customername", "billingname", "shippingname", "vorname",
        "nachname", "prenom", "nomdefamille", "apellido", "cognome", "voornaam", "achternaam", "fornamn", "efternamn",
        "imieinazwisko", "nazwisko", "fornavn", "efternavn",
    ),
    Personal.PHONES: ("phone", "telefon", "telefoon"),
}  # fmt: skip
_WHOLE_WORDS: Final = {
    **dict.fromkeys(("mail", "mails", "epost", "epostadress"), Personal.EMAILS),
    **dict.fromkeys(("plz", "zip", "rue", "calle", "gatuadress"), Personal.ADDRESSES),
    **dict.fromkeys(("tel", "handy", "mobil"), Personal.PHONES),
}
_NO_PEOPLE: Final = frozenset({"url", "web", "image", "img", "link", "page", "bild", "picture", "mailorder"})
"""Words of columns such as "image address", whose addresses are those of pages."""

_BUYERS: Final = frozenset({"customer", "client", "buyer", "kunde", "kaeufer", "cliente", "klant", "kund", "klient"})

# These forms mean the same to Python and to DuckDB.
_LETTER: Final = "[A-Za-zÀ-ÖØ-öø-ÿĀ-ž]"
_EMAIL: Final = r"[A-Za-z0-9._%+-]@[A-Za-z0-9-]{1,63}(?:\.[A-Za-z0-9-]{1,63}){0,8}\.[A-Za-z]{2}"
_STREET: Final = (
    rf"(?:(?:^|{_LETTER}|[ -])(?:straße|strasse|str\.|gasse|allee|weg|platz|straat|laan|gatan|vägen|vej|gade) ?[0-9]"
    rf"|[0-9]{{1,4}},? (?:rue|avenue|boulevard|chemin) {_LETTER}"
    rf"|(?:^|[^A-Za-z])(?:via|viale|piazza|calle|avenida|ulica|ul\.|rua) {_LETTER}{{2,40}},? [0-9]{{1,4}}"
    rf"|[0-9]{{1,4}} {_LETTER}{{2,40}} (?:street|road|avenue|lane|square))"
)
_PERSON: Final = rf"^{_LETTER}[A-Za-zÀ-ÖØ-öø-ÿĀ-ž.'-]*(?: {_LETTER}[A-Za-zÀ-ÖØ-öø-ÿĀ-ž.'-]*)+$"
_FORMS: Final = {
    Personal.EMAILS: re.compile(_EMAIL),
    Personal.ADDRESSES: re.compile(_STREET, re.IGNORECASE),
}
_NAME: Final = re.compile(_PERSON)

_NO_ARCHIVE: Final = (zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError, EOFError, OSError, ValueError)
"""What a damaged or encrypted archive raises, or one of a form that is not known."""

ROWS_LOOKED_AT: Final = 2_000
"""Rows of which each value is looked at, to say which columns they are in. Of the rest the text is searched."""
_SHOWN_COLUMNS: Final = 8
_CHUNK_BYTES: Final = 1 << 20
_OVERLAP: Final = 128
_STREETS_BYTES: Final = 16 << 20
"""So far a text is searched for streets, which takes much longer than a search for e-mail addresses."""


@dataclass(frozen=True)
class PersonalJob:
    """The order to look for people in the upload at `path`, whose object is called `name`; `work` is a directory."""

    path: Path
    name: str
    work: Path
    memory_bytes: int
    bounds: Bounds


@dataclass(frozen=True)
class Traces:
    """What a file shows of people. columns: by the number of the column, from 1; elsewhere: what its text shows without
    a column for it; rows: lines or rows, without the header."""

    columns: dict[int, Personal] = field(default_factory=dict)
    elsewhere: tuple[Personal, ...] = ()
    rows: int = 0

    def __bool__(self) -> bool:
        """Whether there is enough not to keep the file: names alone stand in many columns that name no person."""
        return any(kind is not Personal.PHONES for kind in (*self.columns.values(), *self.elsewhere))

    def told(self) -> str:
        """The sentence for an admin."""
        parts = []
        for kind in Personal:
            numbers = [str(number) for number, found in self.columns.items() if found is kind]
            if numbers:
                more = ["and more"] if len(numbers) > _SHOWN_COLUMNS else []
                shown = ", ".join(numbers[:_SHOWN_COLUMNS] + more)
                parts.append(f"{kind} (column{'s' if len(numbers) > 1 else ''} {shown})")
            elif kind in self.elsewhere:
                parts.append(str(kind))
        return (
            f"The file is not kept, because it shows people: {'; '.join(parts)}; rows: {self.rows}. The original is "
            "with whoever sent it: export the needed columns alone, and upload those"
        )


def traces_of(job: PersonalJob) -> Traces:
    """Looks for people in an upload of whatever form."""
    if Path(job.name).suffix.lower() == PARQUET:
        with suppress(duckdb.Error, FileRejected):
            return _of_parquet(job)
    return _of_text(job.path, job.bounds.unpacked_bytes)


def traces_of_bytes(path: Path) -> Traces:
    """As `traces_of`, of the bytes as they are: where looking for more has killed what looked."""
    return Traces(elsewhere=_in_text(_pieces_of(path)))


def kind_of_name(name: str) -> Personal | None:
    """What a column of this name holds of people."""
    plain = unicodedata.normalize("NFKD", name.casefold().replace("ß", "ss").replace("ø", "o"))
    words = re.findall("[a-z]+", "".join(letter for letter in plain if not unicodedata.combining(letter)))
    if _NO_PEOPLE.intersection(words):
        return None
    together = "".join(words)
    by_part = (kind for kind, parts in _WORDS.items() if any(part in together for part in parts))
    by_word = (_WHOLE_WORDS[word] for word in (*words, together) if word in _WHOLE_WORDS)
    return next(by_word, None) or next(by_part, None)


def kind_of_value(text: str, of_buyer: bool = False) -> Personal | None:
    """What a value shows of people; `of_buyer`: its column says that it is who bought."""
    found = next((kind for kind, form in _FORMS.items() if form.search(text)), None)
    return found or (Personal.NAMES if of_buyer and _NAME.match(text) else None)


def _is_of_buyers(name: str) -> bool:
    return not _BUYERS.isdisjoint(re.findall("[a-z]+", name.casefold().replace("ä", "ae")))


def _of_text(path: Path, most_bytes: int) -> Traces:
    packed = _members(path, most_bytes)
    if packed is not None:
        return Traces(elsewhere=_in_text(packed))
    columns, lines = _columns(path), _lines(path)
    found = _in_text(_pieces_of(path))
    return Traces(columns, tuple(kind for kind in found if kind not in columns.values()), max(0, lines - 1))


def _columns(path: Path) -> dict[int, Personal]:
    """The columns that show people in the first rows of a file of values with separators, as far as it is one."""
    with path.open("rb") as file:
        start = file.read(_CHUNK_BYTES)
    text = _decoded(start)
    header = text.partition("\n")[0]
    separator = max((",", ";", "\t"), key=header.count)
    found: dict[int, Personal] = {}
    buyers: set[int] = set()
    with suppress(csv.Error):
        rows = csv.reader(io.StringIO(text), delimiter=separator, skipinitialspace=True)
        for row, values in enumerate(islice(rows, ROWS_LOOKED_AT)):
            for number, value in enumerate(values, start=1):
                if not row and _is_of_buyers(value):
                    buyers.add(number)
                by_name = None if row else kind_of_name(value)
                kind = by_name or kind_of_value(value, bool(row) and number in buyers)
                if kind:
                    found.setdefault(number, kind)
    return dict(sorted(found.items()))


def _lines(path: Path) -> int:
    lines, last = 0, b"\n"
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            lines += chunk.count(b"\n")
            last = chunk[-1:]
    return lines + (last != b"\n")


def _in_text(pieces: Iterable[bytes]) -> tuple[Personal, ...]:
    """What the text shows, piece by piece: of a large file nothing is held."""
    found: set[Personal] = set()
    before, read = "", 0
    for piece in pieces:
        text = before + _decoded(piece)
        read += len(piece)
        if "@" in text and _FORMS[Personal.EMAILS].search(text):
            found.add(Personal.EMAILS)
        if read <= _STREETS_BYTES and _FORMS[Personal.ADDRESSES].search(text):
            found.add(Personal.ADDRESSES)
        if len(found) == len(_FORMS):
            break
        before = text[-_OVERLAP:]
    return tuple(kind for kind in Personal if kind in found)


def _decoded(data: bytes) -> str:
    """The bytes as text. Of UTF-16 and of old workbooks every other byte is a zero."""
    plain = data.replace(b"\0", b"")
    try:
        return plain.decode()
    except UnicodeDecodeError:
        return plain.decode("cp1252", errors="replace")


def _pieces_of(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            yield chunk


def _members(path: Path, most_bytes: int) -> Iterator[bytes] | None:
    """What an archive or a workbook unpacks to, up to `most_bytes`; None for a file that is neither."""
    with path.open("rb") as file:
        start = file.read(4)
    if start.startswith(b"PK\x03\x04"):
        return _unzipped(path, most_bytes)
    return _gunzipped(path, most_bytes) if start.startswith(b"\x1f\x8b") else None


def _unzipped(path: Path, most_bytes: int) -> Iterator[bytes]:
    left = most_bytes
    with suppress(*_NO_ARCHIVE), zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            with archive.open(member) as file:
                while left > 0 and (chunk := file.read(_CHUNK_BYTES)):
                    left -= len(chunk)
                    yield chunk


def _gunzipped(path: Path, most_bytes: int) -> Iterator[bytes]:
    left, unpacking = most_bytes, zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
    with suppress(zlib.error):
        for piece in _pieces_of(path):
            waiting = piece
            while waiting and left > 0:
                chunk = unpacking.decompress(waiting, _CHUNK_BYTES)
                left -= len(chunk)
                waiting = unpacking.unconsumed_tail
                yield chunk


def _of_parquet(job: PersonalJob) -> Traces:
    connection = connect_hardened(job.path, {}, 0, job.memory_bytes)
    try:
        table = Source(job.path, job.bounds, ITEMS).table(connection)
        found = {}
        for number, column in enumerate(table.columns, start=1):
            kind = kind_of_name(column.name) or _of_values(connection, table.relation, column)
            if kind:
                found[number] = kind
        return Traces(found, rows=table.rows)
    finally:
        connection.close()


def _of_values(connection: Connection, relation: str, column: Column) -> Personal | None:
    if column.kind in WHOLE | FLOATING or column.kind.startswith(("DECIMAL", "BOOLEAN", "DATE", "TIME")):
        return None
    text = f"{column.raw}::VARCHAR"
    matches = {Personal.EMAILS: literal(_EMAIL), Personal.ADDRESSES: literal(f"(?i){_STREET}")}
    if _is_of_buyers(column.name):
        matches[Personal.NAMES] = literal(_PERSON)
    tests = ", ".join(
        f"coalesce(bool_or(regexp_matches({text}, {form})), false) AS {quoted(kind.name)}"
        for kind, form in matches.items()
    )
    [found] = connection.execute(f"SELECT {tests} FROM {relation}").fetchall()
    return next((kind for kind, there in zip(matches, found, strict=True) if there), None)
