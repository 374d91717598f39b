"""The JSON documents of the bucket.

`format_version` is read before anything else; unknown fields are refused, because a writer that ignored them would
drop them when it writes the document back.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

FORMAT_VERSION: Final = 1
MAX_COMMITS = 512
MAX_HISTORY = 50


class _Document(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CurrentDocument(_Document):
    """What both current documents share: the ids by which a writer recognises its own commit.

    `commits` holds the newest ids last, `commit_id` among them, at most `MAX_COMMITS`: a writer whose answer was lost
    finds its own id there even after others have committed on top.
    """

    format_version: Literal[1] = FORMAT_VERSION
    commit_id: str
    commits: tuple[str, ...] = ()
    committed_at: datetime

    def carried(self) -> dict[str, Any]:
        """The fields that the next version takes over where it says nothing else."""
        return {
            name: getattr(self, name) for name in type(self).model_fields if name not in CurrentDocument.model_fields
        }


class FileRef(_Document):
    """A file in the bucket, named by its content."""

    key: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    bytes: int


class Upload(_Document):
    """An upload that a segment holds. (key, etag) is its identity: a second delivery of the same is done already.

    `modified` is the object's own time, where it is known. It tells a second delivery of an items file from the same
    content uploaded again, which replaces what other uploads said in between.
    """

    key: str
    etag: str
    modified: datetime | None = None

    def is_same(self, other: Upload) -> bool:
        """The same content uploaded again under its key has another time, and is not the same upload."""
        if (self.key, self.etag) != (other.key, other.etag):
            return False
        if self.modified is None or other.modified is None:
            return True
        # A listing tells milliseconds, a HEAD whole seconds.
        return self.modified.replace(microsecond=0) == other.modified.replace(microsecond=0)


class Segment(_Document):
    """One immutable DuckDB file. `seq` is the number of the newest batch in it; a delta is one batch."""

    file: FileRef
    seq: int
    storage_version: str
    events: int
    items: int
    min_ts: datetime | None = None
    max_ts: datetime | None = None
    uploads: tuple[Upload, ...] = ()


class Tombstone(_Document):
    """One erased person: events up to `until` stay out of the store. `erasure` is the number of the latest erasure that
    named them."""

    until: datetime
    erasure: int


class TombstoneFile(_Document):
    """`store/erased-<sha256>.json`: tombstones by mark, a keyed hash of the pseudonym that tells nobody's id."""

    format_version: Literal[1] = FORMAT_VERSION
    tombstones: dict[str, Tombstone]


class StoreDocument(CurrentDocument):
    """`store/current.json`: the data is `base`, `catalogue` and every delta, and no event is in two of them.

    Compaction writes events to `base` and items to `catalogue`: so a batch that asks which items are known fetches a
    file that grows with the catalogue, not with the history.

    `erased` is the file of the tombstones: no segment holds an event that one of them keeps out. `erasure` counts the
    erasures that have been carried out here.
    """

    next_seq: int = 1
    base: Segment | None = None
    catalogue: Segment | None = None
    deltas: tuple[Segment, ...] = ()
    erased: FileRef | None = None
    erasure: int = 0

    @property
    def seq(self) -> int:
        """The newest batch in the store; 0 for an empty one."""
        return self.next_seq - 1

    @property
    def segments(self) -> tuple[Segment, ...]:
        folded = (self.base, self.catalogue)
        return tuple(segment for segment in folded if segment) + self.deltas

    def has(self, upload: Upload) -> bool:
        """Whether a commit has taken it in."""
        return any(upload.is_same(other) for segment in self.segments for other in segment.uploads)

    def noting(self, uploads: tuple[Upload, ...]) -> StoreDocument:
        """With `uploads` of which no row is left noted at the newest segment, so that they are not read once more."""
        if not uploads or not self.segments:
            return self
        newest = max(self.segments, key=lambda segment: segment.seq)
        grown = newest.model_copy(update={"uploads": (*newest.uploads, *uploads)})

        def noted(segment: Segment | None) -> Segment | None:
            return grown if segment is newest else segment

        parts = {"base": noted(self.base), "catalogue": noted(self.catalogue), "deltas": tuple(map(noted, self.deltas))}
        return self.model_copy(update=parts)


class KeyCheck(_Document):
    """`key-check.json`: `check` is HMAC-SHA-256 under the pseudonym key of a text that is always the same."""

    format_version: Literal[1] = FORMAT_VERSION
    check: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class LayerRef(_Document):
    """One layer of a bundle: file name within the layer → file. A file that did not change keeps its key."""

    layer_id: str
    kind: Literal["base", "delta"]
    covers_seq: int
    n_items: int
    n_users: int
    files: dict[str, FileRef]


class RepeatPurchases(_Document):
    """What training found best to do with items that a person has bought. Where they are put forward, the score of each
    grows by `boost` · ln(1 + purchases), of which each counts half as much every `half_life_days`."""

    decision: Literal["hide", "show", "boost"]
    boost: float = Field(0.0, ge=0, description="In units of the model's score; the best of those tried.")
    half_life_days: float | None = Field(None, gt=0, description="None: old purchases count as new ones.")


class ModelInfo(_Document):
    family: str
    version: str
    dim: int = Field(description="Width of the vectors, a bias column included.")
    encoder: str
    encoder_params: dict[str, float] = {}
    params: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    repeats: RepeatPurchases | None = Field(None, description="None where training could not judge it.")
    trained_at: datetime


class Bundle(_Document):
    """What is served: layers, oldest first; the newest layer that says something about an item or a person wins."""

    format_version: Literal[1] = FORMAT_VERSION
    bundle_id: str
    created_at: datetime
    created_by: Literal["train", "update", "rollback", "erase"]
    covers_seq: int
    model: ModelInfo
    layers: tuple[LayerRef, ...]


class BundleRef(_Document):
    bundle_id: str
    key: str
    created_at: datetime
    created_by: str
    family: str


class ServingDocument(CurrentDocument):
    """`serving/current.json`. `history` lists earlier versions, newest last, at most `MAX_HISTORY`.

    `erasure` is the number of the store's erasure up to which nobody is left in the bundle or in any earlier version.
    """

    bundle: Bundle
    history: tuple[BundleRef, ...] = ()
    erasure: int = 0


class ConditionalPutProof(_Document):
    """`conditional-put.json`: whether the store at `endpoint`, which calls itself `server`, let exactly one of many
    concurrent writers win. `problem` is empty, or says why no writer may start."""

    format_version: Literal[1] = FORMAT_VERSION
    endpoint: str
    server: str
    checked_at: datetime
    problem: str = ""


class RunState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


class RunRecord(_Document):
    """`runs/<id>.json`: what a function did, for `recsys status` and for an admin who asks where a file went.

    `counts` are numbers of rows (`rows_read`, `rows_kept`, `rows_repeated`, `rows_refused`, …); `reasons` counts
    refused rows by reason; `error` is {code, message}. No record holds a user id or a pseudonym.
    """

    format_version: Literal[1] = FORMAT_VERSION
    run_id: str
    function: Literal["ingest", "train", "update", "erase", "rollback"]
    state: RunState
    started_at: datetime
    finished_at: datetime | None = None
    upload: Upload | None = None
    step: str = ""
    progress: float = Field(0.0, ge=0, le=1)
    counts: dict[str, int] = {}
    reasons: dict[str, int] = {}
    notices: tuple[str, ...] = ()
    timings_s: dict[str, float] = {}
    error: dict[str, str] | None = None
    details: dict[str, Any] = {}
