"""The JSON documents of the bucket.

`format_version` is checked first. Unknown fields are refused, because a writer that ignored them would lose them when
it writes the document again.
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
    """The base of both current documents: the ids by which a writer recognises its own commit.

    `commits` lists at most `MAX_COMMITS` ids, the newest last, `commit_id` among them. A writer whose answer was lost
    finds its id there even after later commits by others.
    """

    format_version: Literal[1] = FORMAT_VERSION
    commit_id: str
    commits: tuple[str, ...] = ()
    committed_at: datetime

    def carried(self) -> dict[str, Any]:
        """The fields that the next version keeps unless it sets them."""
        return {
            name: getattr(self, name) for name in type(self).model_fields if name not in CurrentDocument.model_fields
        }


class FileRef(_Document):
    """A file in the bucket: its key, the hash of its content, and its size in bytes."""

    key: str
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    bytes: int


class Upload(_Document):
    """An upload, identified by (key, etag), so that a second delivery of it is recognised.

    `modified` is the time of the object, where it is known. It distinguishes a second delivery of an items file from
    the same content uploaded again, which replaces the content of the uploads in between.
    """

    key: str
    etag: str
    modified: datetime | None = None

    def is_same(self, other: Upload) -> bool:
        """Whether both are one upload. The same content uploaded again under its key has another time, and is not."""
        if (self.key, self.etag) != (other.key, other.etag):
            return False
        if self.modified is None or other.modified is None:
            return True
        # A listing has milliseconds, a HEAD has whole seconds.
        return self.modified.replace(microsecond=0) == other.modified.replace(microsecond=0)


class Segment(_Document):
    """One immutable DuckDB file of the store. `seq` is the number of its newest batch; a delta holds one batch."""

    file: FileRef
    seq: int
    storage_version: str
    events: int
    items: int
    min_ts: datetime | None = None
    max_ts: datetime | None = None
    uploads: tuple[Upload, ...] = ()


class Tombstone(_Document):
    """The mark of an erased person, whose events up to `until` stay out of the store.

    `erasure` is the number of the latest erasure that named the person."""

    until: datetime
    erasure: int


class TombstoneFile(_Document):
    """`store/erased-<sha256>.json`: the tombstones by mark, a keyed hash of the pseudonym that reveals no id."""

    format_version: Literal[1] = FORMAT_VERSION
    tombstones: dict[str, Tombstone]


class StoreDocument(CurrentDocument):
    """`store/current.json`: the store consists of `base`, `catalogue` and all deltas; each event is in one of them.

    Compaction writes events to `base` and items to `catalogue`. So a batch that needs the known items fetches a file
    that grows with the catalogue, not with the history.

    `erased` is the file of the tombstones: no segment holds an event that they keep out. `erasure` is the number of
    erasures so far.
    """

    next_seq: int = 1
    base: Segment | None = None
    catalogue: Segment | None = None
    deltas: tuple[Segment, ...] = ()
    erased: FileRef | None = None
    erasure: int = 0

    @property
    def seq(self) -> int:
        """The number of the newest batch in the store; 0 if it is empty."""
        return self.next_seq - 1

    @property
    def segments(self) -> tuple[Segment, ...]:
        folded = (self.base, self.catalogue)
        return tuple(segment for segment in folded if segment) + self.deltas

    def has(self, upload: Upload) -> bool:
        """Whether the store holds the upload."""
        return any(upload.is_same(other) for segment in self.segments for other in segment.uploads)

    def noting(self, uploads: tuple[Upload, ...]) -> StoreDocument:
        """A copy in which the newest segment also lists `uploads`, so that uploads without rows are not read again."""
        if not uploads or not self.segments:
            return self
        newest = max(self.segments, key=lambda segment: segment.seq)
        grown = newest.model_copy(update={"uploads": (*newest.uploads, *uploads)})

        def noted(segment: Segment | None) -> Segment | None:
            return grown if segment is newest else segment

        parts = {"base": noted(self.base), "catalogue": noted(self.catalogue), "deltas": tuple(map(noted, self.deltas))}
        return self.model_copy(update=parts)


class KeyCheck(_Document):
    """`key-check.json`: `check` is HMAC-SHA-256 of a constant text under the pseudonym key."""

    format_version: Literal[1] = FORMAT_VERSION
    check: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


LayerId = Annotated[str, Field(pattern="^[A-Za-z0-9][A-Za-z0-9-]{0,63}$")]
LayerFileName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,95}\.[a-z0-9]{1,12}$")]
"""The plain name of a file, such as `user_keys.npy`. Files are written under it, so it cannot lead anywhere else."""


class LayerRef(_Document):
    """One layer of a bundle. `files` maps a name within the layer to its file; an unchanged file keeps its key."""

    layer_id: LayerId
    kind: Literal["base", "delta"]
    covers_seq: int
    n_items: int
    n_users: int
    files: dict[LayerFileName, FileRef]


class RepeatPurchases(_Document):
    """The best treatment of items that a person has bought, as training has measured it.

    With the decision `boost` the score of such an item grows by `boost` · ln(1 + purchases). The weight of a purchase
    halves every `half_life_days`."""

    decision: Literal["hide", "show", "boost"]
    boost: float = Field(0.0, ge=0, description="In units of the model's score; the best of those tried.")
    half_life_days: float | None = Field(None, gt=0, description="None: old purchases count as new ones.")


class SimilarBlend(_Document):
    """How similar items are found: the weights of what people did and of what the catalogue says.

    interchange: of common buyers, in other baskets, within the category
    popular: of what is popular within the category
    vectors: of the cosine of the model's vectors
    words, brand, price: of the titles' words, of one brand, and of nearness in price"""

    interchange: float = Field(1.0, ge=0)
    popular: float = Field(0.25, ge=0)
    vectors: float = Field(0.1, ge=0)
    words: float = Field(0.08, ge=0)
    brand: float = Field(0.02, ge=0)
    price: float = Field(0.03, ge=0)


DEFAULT_BLEND: Final = SimilarBlend()
"""Where a shop's own was not found."""


class DueSettings(_Document):
    """What `buy-again` is ranked by, as `common.schemas.due` says: powers of how long ago, how soon, how surely.

    The defaults rank by a person's own purchases alone."""

    half_life_days: float = Field(112, gt=0, description="A purchase counts half as much after so many days.")
    early: float = Field(0.0, ge=0, description="How much lower an item ranks that is not yet due.")
    late: float = Field(0.0, ge=0, description="How much lower an item ranks that was not bought when it was due.")
    rebuys: float = Field(0.0, ge=0, description="How much the share of buyers counts who bought the item again.")
    sold: float = Field(0.0, ge=0, description="How much counts whether the item still sells.")


class ModelInfo(_Document):
    family: str
    version: str
    dim: int = Field(description="Width of the vectors, a bias column included.")
    encoder: str
    encoder_params: dict[str, float] = {}
    params: dict[str, Any] = {}
    metrics: dict[str, Any] = {}
    repeats: RepeatPurchases | None = Field(None, description="None where training could not judge it.")
    popular_days: float = Field(28, gt=0, description="The window of what is popular.")
    similar: SimilarBlend | None = Field(None, description="None: similar items are those with the nearest vectors.")
    due: DueSettings | None = Field(None, description="None where training could not judge them.")
    first_lists: dict[str, str] = Field(
        {}, description="By kind, the list that it is filled from first. What this release does not know has no effect."
    )
    trained_at: datetime


class Bundle(_Document):
    """A served version: its model and its layers, oldest first.

    For each item and each person the newest layer that holds it counts. `beside` are models of links by the place that
    each answers in front of the model, a value of `Place`."""

    format_version: Literal[1] = FORMAT_VERSION
    bundle_id: str
    created_at: datetime
    created_by: Literal["train", "update", "rollback", "erase"]
    covers_seq: int
    model: ModelInfo
    beside: dict[str, ModelInfo] = {}
    layers: tuple[LayerRef, ...]


class BundleRef(_Document):
    bundle_id: str
    key: str
    created_at: datetime
    created_by: str
    family: str


class ServingDocument(CurrentDocument):
    """`serving/current.json`: the bundle that is served, and the earlier versions.

    `history` lists at most `MAX_HISTORY` earlier versions, newest last. `erasure` is the number of the store's last
    erasure whose people have been removed from the bundle and from every earlier version.
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


class UploadAttempt(_Document):
    """A try to take in an upload that has not been ended. `holder` is the id of its process.

    After `until` nobody is at it any more."""

    run_id: str
    holder: str
    until: datetime


class UploadAttempts(_Document):
    """`attempts/….json`: the tries to take in an upload. It is there while one goes on, and after one has died.

    `deaths` are the reasons of those that have died, as far as they are known."""

    format_version: Literal[1] = FORMAT_VERSION
    upload: Upload
    deaths: tuple[str, ...] = ()
    running: tuple[UploadAttempt, ...] = ()


class AttemptTogether(_Document):
    """`attempts/together/….json`: a try to take in several small uploads in one commit. It is there while that goes on,
    and after it has died."""

    format_version: Literal[1] = FORMAT_VERSION
    uploads: tuple[Upload, ...]
    attempt: UploadAttempt


class RunState(StrEnum):
    RUNNING = "running"
    DONE = "done"
    REFUSED = "refused"
    FAILED = "failed"


class RunRecord(_Document):
    """`runs/<id>.json`: the record of one run of a function, for `recsys status` and for admins.

    `counts` are numbers of rows (`rows_read`, `rows_kept`, `rows_repeated`, `rows_refused`, …). `reasons` counts
    refused rows by reason. `error` is {code, message}. No record holds a user id or a pseudonym.
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
