"""The commit of a batch to `store/current.json`: exactly once, also if other writers commit at the same time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from common.bucket.commit import NewFile, Proposal, commit
from common.bucket.current import Snapshot
from common.schemas.documents import StoreDocument, Upload
from common.store.segments.segment import SegmentFile
from common.store.uploads.batch import Batch
from common.usecases.shared.context import Context
from common.usecases.shared.deadline import Deadline
from common.usecases.shared.tombstones import delete_abandoned, read_tombstones

# Each try may compare a large batch with a large base, which takes a while; a request has 600 s.
COMMIT_DEADLINE_S: Final = 120.0


def commit_within(
    ctx: Context,
    change: Callable[[Snapshot[StoreDocument]], Proposal | None],
    put: Mapping[str, int],
    deadline: Deadline,
) -> None:
    """Commits `change` to the store's document. `put` has the keys of the files that `change` has proposed so far, each
    with the number of the newest erasure then; those that did not come in are deleted. Raises as `commit` does; the
    uploads then stay, and a later call takes them in."""
    seconds = min(COMMIT_DEADLINE_S, deadline.left_s)
    current = commit(ctx.store_file, change, now=ctx.now, deadline_s=seconds)
    delete_abandoned(ctx, current, put)


def is_known(document: StoreDocument | None, upload: Upload) -> bool:
    """Whether the store holds this upload. Another upload with the same content is read, and its rows are compared."""
    return document is not None and document.has(upload)


@dataclass
class BatchCommit:
    """The commit of one batch, and its result.

    `segment` holds the committed rows, None if no row was new. `known` says that another delivery of the same upload
    was committed first. `erased` is the number of rows of erased people, which were left out. All three refer to the
    version of the store that was read last."""

    ctx: Context
    upload: Upload
    batch: Batch
    segment: SegmentFile | None = None
    known: bool = False
    erased: int = 0
    _put: dict[str, int] = field(default_factory=dict)

    def carry_out(self, deadline: Deadline) -> None:
        """Commits the batch. Raises as `commit_within` does."""
        commit_within(self.ctx, self._change, self._put, deadline)

    def _change(self, snapshot: Snapshot[StoreDocument]) -> Proposal | None:
        document = snapshot.document
        self.segment, self.known = None, is_known(document, self.upload)
        if self.known:
            return None
        segments = document.segments if document else ()
        erased = self.batch.erased(read_tombstones(self.ctx, document))
        self.erased = len(erased)
        self.segment = self.batch.beside(segments, self.ctx.path_of, erased)
        if self.segment is None:
            # The upload is noted, so that it is not read again.
            return Proposal(document.noting((self.upload,)).carried()) if document and document.segments else None
        return self._appended(document, self.segment)

    def _appended(self, document: StoreDocument | None, segment: SegmentFile) -> Proposal:
        seq = document.next_seq if document else 1
        delta = segment.entry(self.ctx.keys.store_delta, seq, [self.upload])
        deltas = document.deltas if document else ()
        fields = {**_carried(document), "next_seq": seq + 1, "deltas": (*deltas, delta)}
        self._put[delta.file.key] = document.erasure if document else 0
        return Proposal(fields=fields, files=(NewFile(delta.file.key, segment.path),))


def _carried(document: StoreDocument | None) -> dict[str, Any]:
    return document.carried() if document else {}
