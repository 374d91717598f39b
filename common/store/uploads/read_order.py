"""What the reading process is told and what it answers: one line of JSON each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from pydantic import TypeAdapter

from common.store.uploads.personal import PersonalJob, Traces
from common.store.uploads.reading import ReadJob, ReadUpload
from common.store.uploads.reading_together import ReadTogether, TogetherJob

READY: Final = b"ready\n"
"""What the process says when it waits for its first order."""

Limit = Literal["", "memory", "time", "disk"]


@dataclass(frozen=True)
class ReadLimits:
    """What reading one upload may take: memory of its process, seconds, seconds of a processor, bytes on the disk."""

    memory_bytes: int
    seconds: float
    cpu_seconds: int
    disk_bytes: int


@dataclass(frozen=True)
class ReadOrder:
    """One upload to read, several small ones, or one to be searched for people, within limits."""

    job: ReadJob | TogetherJob | PersonalJob
    limits: ReadLimits


@dataclass(frozen=True)
class ReadAnswer:
    """How the reading ended: `upload`, `together` for several, or `traces` of people, is there if it ended well.

    Otherwise `limit` names a limit that was reached, `unavailable` says why a later try may succeed, and `died` what
    ended the process. `peak_bytes` is the most memory that the process had."""

    upload: ReadUpload | None = None
    together: ReadTogether | None = None
    traces: Traces | None = None
    limit: Limit = ""
    unavailable: str = ""
    died: str = ""
    peak_bytes: int = 0


ORDERS: Final = TypeAdapter(ReadOrder)
ANSWERS: Final = TypeAdapter(ReadAnswer)
