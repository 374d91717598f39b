"""The reading of one upload, from the file to a segment: what the reading process does (`reader_process.py`)."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Literal

from common.errors import FileRejected
from common.ids import Pseudonymizer
from common.store.uploads.bounds import Bounds
from common.store.uploads.columns import ERASURES, EVENTS, ITEMS
from common.store.uploads.draft import Draft, ReadOptions
from common.store.uploads.erasure_list import read_erasures
from common.store.uploads.events import read_events
from common.store.uploads.files import damage_is_refused, prepare
from common.store.uploads.items import read_items
from common.store.uploads.refused_rows import Refusals, refusals_of
from common.store.uploads.settle import Settled, settle_events, settle_items

Contents = Literal["events", "items", "erasures"]


@dataclass(frozen=True)
class ReadJob:
    """The order to read the upload at `path`, whose object is called `name`, in the directory `work`. `timezone` is the
    zone of times without one.

    `modified` is the time of the upload, `now` an aware time: times after it are refused as future ones. A file of
    which more than the share `max_bad_rows` is refused is refused whole."""

    path: Path
    name: str
    contents: Contents
    work: Path
    modified: datetime
    now: datetime
    pseudonym_key: str = field(repr=False)
    memory_bytes: int
    max_bad_rows: float
    bounds: Bounds
    timezone: str = "UTC"


@dataclass(frozen=True)
class ReadUpload:
    """What an upload holds. `rejected` says why it is refused whole; it is empty for one that is taken in.

    `settled` is None for a refused upload, and for a list of people to erase: they are in `people`, a database."""

    rejected: str = ""
    rows_read: int = 0
    rows_refused: int = 0
    refusals: Refusals | None = None
    settled: Settled | None = None
    people: Path | None = None
    notices: tuple[str, ...] = ()

    @property
    def rows_good(self) -> int:
        """The number of rows that are not refused, repeats included."""
        return self.rows_read - self.rows_refused


def read_upload(job: ReadJob) -> ReadUpload:
    """Reads the upload. Raises `UnavailableError` if there is no space left on the disk."""
    found = ReadUpload()
    try:
        with damage_is_refused():
            draft = _draft(job)
            refusals = refusals_of(draft, job.work, job.memory_bytes)
            found = ReadUpload(
                rows_read=draft.rows_read, rows_refused=draft.rows_refused, refusals=refusals, notices=draft.notices
            )
            check_bad_rows(job, draft.rows_read, draft.rows_refused)
            return _settled(job, draft, found)
    except FileRejected as error:
        return replace(found, rejected=error.message)


def _draft(job: ReadJob) -> Draft:
    key = Pseudonymizer(bytes.fromhex(job.pseudonym_key))
    options = ReadOptions(key, job.now, job.memory_bytes, job.timezone)
    if job.contents == "erasures":
        return read_erasures(prepare(job.path, job.name, ERASURES, job.bounds), job.work, options)
    if job.contents == "events":
        return read_events(prepare(job.path, job.name, EVENTS, job.bounds), job.work, options)
    return read_items(prepare(job.path, job.name, ITEMS, job.bounds), job.work, options)


def check_bad_rows(job: ReadJob, rows_read: int, rows_refused: int) -> None:
    """Raises `FileRejected` if too many rows of the upload are bad."""
    if rows_refused > job.max_bad_rows * rows_read:
        raise FileRejected(
            f"{rows_refused} of {rows_read} rows are bad, which is more than "
            f"{job.max_bad_rows:.0%} (RECSYS_MAX_BAD_ROWS)"
        )


def _settled(job: ReadJob, draft: Draft, found: ReadUpload) -> ReadUpload:
    if job.contents == "erasures":
        return replace(found, people=draft.segment)
    if job.contents == "events":
        return replace(found, settled=settle_events(draft, job.work, job.now, job.memory_bytes))
    return replace(found, settled=settle_items(draft, job.work, job.modified, job.memory_bytes))
