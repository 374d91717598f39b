"""The reading of several small uploads as one: what costs most with a small file is not its rows.

Uploads with the same columns are put into one file, in which the number of a row holds the place of its upload
(`places`). Each upload has its own account, refused rows and notices, the same as if it were read alone. One that
cannot be read so is left to be read alone; all that is said of it then is None.
"""

from __future__ import annotations

import shutil
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final

from common.errors import FileRejected
from common.ids import Pseudonymizer
from common.store.engine import Connection, attach_existing, connect_trusted, timestamp
from common.store.segments.segment import EVENT_COLUMNS, SegmentFile, finish, new_segment
from common.store.uploads.bounds import Bounds
from common.store.uploads.columns import EVENTS, ITEMS, match
from common.store.uploads.csv_text import CsvTable
from common.store.uploads.decimals import MixedDecimals
from common.store.uploads.draft import Draft, ReadOptions
from common.store.uploads.events import read_events
from common.store.uploads.files import Source, damage_is_refused, prepare
from common.store.uploads.items import ITEM_COLUMNS, read_items
from common.store.uploads.places import PLACE, before
from common.store.uploads.reading import Contents, ReadJob, ReadUpload, check_bad_rows
from common.store.uploads.refused_rows import refusals_at
from common.store.uploads.settle import emptied
from common.store.uploads.unattributed import add_unattributed, empty_consents, hours_ahead

MOST_ROWS: Final = 20_000
"""Rows of all uploads that are read together. The upload that comes to more is the last one."""

_COLUMNS: Final = ", ".join(EVENT_COLUMNS)
_Sources = Mapping[int, Source]


@dataclass(frozen=True)
class TogetherJob:
    """The order to read these small CSV uploads, of events and of items, in the directory `work`. They agree in
    everything that does not belong to one upload."""

    jobs: tuple[ReadJob, ...]
    work: Path

    @property
    def memory_bytes(self) -> int:
        return self.jobs[0].memory_bytes

    @property
    def bounds(self) -> Bounds:
        return self.jobs[0].bounds


@dataclass(frozen=True)
class ReadTogether:
    """What the uploads hold, by their places: of the first of them if all had more than `MOST_ROWS` rows.

    None stands for one that is to be read alone. `events` and `items` are segments of the good rows of all others;
    in the column `seq` of a row is the place of its upload."""

    uploads: tuple[ReadUpload | None, ...]
    events: tuple[SegmentFile, ...] = ()
    items: tuple[SegmentFile, ...] = ()


def read_together(job: TogetherJob) -> ReadTogether:
    """Reads the uploads. Raises `UnavailableError` if there is no space left on the disk."""
    uploads, alike = _prepared(job.jobs)
    segments: dict[Contents, list[SegmentFile]] = {"events": [], "items": [], "erasures": []}
    for number, ((contents, _), sources) in enumerate(alike.items()):
        for found, segment in _read_alike(job, contents, sources, job.work / f"alike-{number}"):
            uploads |= found
            segments[contents].append(segment)
    read = tuple(uploads[place] for place in range(len(uploads)))
    return ReadTogether(read, tuple(segments["events"]), tuple(segments["items"]))


def _prepared(
    jobs: Sequence[ReadJob],
) -> tuple[dict[int, ReadUpload | None], dict[tuple[Contents, tuple[str, ...]], dict[int, Source]]]:
    """What is known already, by place, and the sources of the others by what they have in common."""
    uploads: dict[int, ReadUpload | None] = {}
    alike: defaultdict[tuple[Contents, tuple[str, ...]], dict[int, Source]] = defaultdict(dict)
    rows = 0
    for place, job in enumerate(jobs):
        if rows >= MOST_ROWS:
            break
        contract = EVENTS if job.contents == "events" else ITEMS
        uploads[place] = None
        try:
            source = prepare(job.path, job.name, contract, job.bounds, before(place))
            if source.csv:
                match(source.csv.header, contract)
                alike[job.contents, source.csv.header][place] = source
                rows += source.csv.rows
        except FileRejected as error:
            uploads[place] = ReadUpload(rejected=error.message)
    return uploads, alike


def _read_alike(
    job: TogetherJob, contents: Contents, sources: _Sources, work: Path
) -> Iterator[tuple[dict[int, ReadUpload | None], SegmentFile]]:
    """What uploads with the same columns hold, and the segment of their rows. Yields nothing if they are refused as a
    whole: which of them is at fault shows when each is read alone."""
    work.mkdir()
    source = _joined(sources, work / "joined.csv", job.bounds)
    key = Pseudonymizer(bytes.fromhex(job.jobs[0].pseudonym_key))
    options = ReadOptions(key, _now(job), job.memory_bytes, job.jobs[0].timezone)
    try:
        with damage_is_refused():
            draft = (read_events if contents == "events" else read_items)(source, work, options)
            yield _settled(job, contents, sources, draft, work)
    except FileRejected:
        return
    except MixedDecimals as mixed:
        # An upload without numbers has no style; it goes with the first.
        own = {place: mixed.styles.get(place, next(iter(mixed.styles.values()))) for place in sources}
        for number, style in enumerate(dict.fromkeys(own.values())):
            some = {place: source for place, source in sources.items() if own[place] == style}
            yield from _read_alike(job, contents, some, work / str(number))


def _now(job: TogetherJob) -> datetime:
    return max(single.now for single in job.jobs)


def _joined(sources: _Sources, path: Path, bounds: Bounds) -> Source:
    """The rows of all sources, whose numbers tell them apart, as one source."""
    with path.open("wb") as joined:
        for source in sources.values():
            with source.path.open("rb") as part:
                shutil.copyfileobj(part, joined)
    tables = [source.csv for source in sources.values() if source.csv]
    table = CsvTable(path, tables[0].header, sum(table.rows for table in tables), ())
    contract = next(iter(sources.values())).contract
    return Source(path, bounds, contract, table, several=True)


def _settled(
    job: TogetherJob, contents: Contents, sources: _Sources, draft: Draft, work: Path
) -> tuple[dict[int, ReadUpload | None], SegmentFile]:
    connection = connect_trusted(work, job.memory_bytes)
    try:
        attach_existing(connection, "draft", draft.segment)
        attach_existing(connection, "scratch", draft.scratch)
        if draft.rows_unattributed:
            add_unattributed(connection)
        uploads = _accounts(connection, job, sources, draft, _notices(connection, contents, draft, _now(job)))
        out = [place for place, found in uploads.items() if found is None or found.rejected]
        if contents == "events":
            return uploads, _events(connection, work / "settled.duckdb", draft.rows_read, out)
        as_of = {place: timestamp(job.jobs[place].modified) for place in sources}
        return uploads, _items(connection, draft, as_of, out)
    finally:
        connection.close()


def _accounts(
    connection: Connection, job: TogetherJob, sources: _Sources, draft: Draft, notices: Mapping[int, list[str]]
) -> dict[int, ReadUpload | None]:
    refused: dict[int, int] = {}
    if draft.rows_refused:
        counted = connection.execute(f"SELECT {PLACE}, count(*) FROM scratch.refused GROUP BY 1")
        refused = dict(counted.fetchall())
    uploads: dict[int, ReadUpload | None] = {}
    for place, source in sources.items():
        assert source.csv
        single, rows = job.jobs[place], refused.get(place, 0)
        found = ReadUpload(
            rows_read=source.csv.rows,
            rows_refused=rows,
            refusals=refusals_at(connection, place, single.work / "refused.csv") if rows else None,
            notices=(*source.notices, *draft.notices, *notices.get(place, ())),
        )
        try:
            check_bad_rows(single, found.rows_read, rows)
        except FileRejected as error:
            found = replace(found, rejected=error.message)
        uploads[place] = found
    return uploads


def _notices(connection: Connection, contents: Contents, draft: Draft, now: datetime) -> Mapping[int, list[str]]:
    if contents == "items":
        return emptied(connection)
    notices: defaultdict[int, list[str]] = defaultdict(list)
    of_consents = empty_consents(connection) if draft.rows_unattributed else {}
    of_times = hours_ahead(connection, now) if draft.rows_refused else {}
    for place, notice in (*of_consents.items(), *of_times.items()):
        notices[place].append(notice)
    return notices


def _events(connection: Connection, path: Path, rows: int, out: Sequence[int]) -> SegmentFile:
    """The segment of the draft's events, without those of the uploads that are `out`. Of equal rows of one upload there
    is one; `add_unattributed` has removed the repeats of those without a person."""
    new_segment(connection, "own", path, rows)
    kept = f"FROM draft.events WHERE NOT list_contains({list(out)}::INTEGER[], seq)"
    connection.execute(f"INSERT INTO own.events BY NAME SELECT DISTINCT {_COLUMNS}, seq {kept} AND user_no IS NOT NULL")
    connection.execute(f"INSERT INTO own.events BY NAME SELECT {_COLUMNS}, seq {kept} AND user_no IS NULL ORDER BY ts")
    for table in ("users", "item_ids"):
        connection.execute(f"INSERT INTO own.{table} SELECT * FROM draft.{table}")
    return finish(connection, "own", path)


def _items(connection: Connection, draft: Draft, as_of: Mapping[int, str], out: Sequence[int]) -> SegmentFile:
    """The segment of the draft's items: of each item in each upload the last row."""
    values = ", ".join(f"({place}, {time})" for place, time in as_of.items() if place not in out)
    if values:
        connection.execute(
            f"INSERT INTO draft.items SELECT {ITEM_COLUMNS}, as_of, as_of, place FROM scratch.parsed "
            f"SEMI JOIN (SELECT max(row) AS row FROM scratch.parsed GROUP BY {PLACE}, item_id) AS last USING (row) "
            f"JOIN (VALUES {values}) AS times(place, as_of) ON place = {PLACE} ORDER BY place, item_id"
        )
    return finish(connection, "draft", draft.segment)
