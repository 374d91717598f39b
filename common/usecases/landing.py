"""How a batch gets into `store/current.json`: once, whoever else commits meanwhile."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from common.bucket.commit import NewFile, Proposal, commit
from common.bucket.current import Snapshot
from common.schemas.documents import Segment, StoreDocument, Upload
from common.store.batch import Batch
from common.store.segment import SegmentFile
from common.usecases.context import Context

# Comparing a large batch with a large base takes a while for each try; a request has 600 s.
COMMIT_DEADLINE_S: Final = 120.0


def is_known(document: StoreDocument | None, upload: Upload) -> bool:
    """Whether a commit has taken in this upload already.

    The same content uploaded again under its key has another time: it is read again, and its rows are compared.
    """
    segments = document.segments if document else ()
    return any(_same(upload, other) for segment in segments for other in segment.uploads)


@dataclass
class Landing:
    """One batch on its way. `segment` is what of it has landed, None if every row was there before; `known` tells that
    another delivery of the same upload was faster. Both follow from the last version that was looked at."""

    ctx: Context
    upload: Upload
    batch: Batch
    segment: SegmentFile | None = None
    known: bool = False

    def land(self) -> None:
        """Raises as `commit` does; then the upload is still there, and a later call takes it up."""
        commit(self.ctx.store_file, self._change, now=self.ctx.now, deadline_s=COMMIT_DEADLINE_S)

    def _change(self, snapshot: Snapshot[StoreDocument]) -> Proposal | None:
        document = snapshot.document
        self.segment, self.known = None, is_known(document, self.upload)
        if self.known:
            return None
        segments = document.segments if document else ()
        self.segment = self.batch.beside(segments, lambda ref: self.ctx.cache.fetch(self.ctx.bucket, ref))
        if self.segment is None:
            return _noted(document, self.upload)
        return self._appended(document, self.segment)

    def _appended(self, document: StoreDocument | None, made: SegmentFile) -> Proposal:
        seq = document.next_seq if document else 1
        delta = made.entry(self.ctx.keys.store_delta, seq, [self.upload])
        fields = {**_parts(document), "next_seq": seq + 1}
        fields["deltas"] = (*fields["deltas"], delta)
        return Proposal(fields=fields, files=(NewFile(delta.file.key, made.path),))


def _noted(document: StoreDocument | None, upload: Upload) -> Proposal | None:
    """An upload without a new row is noted with the newest segment, so that it is not read once more."""
    if document is None or not document.segments:
        return None
    newest = max(document.segments, key=lambda segment: segment.seq)

    def noted(segment: Segment | None) -> Segment | None:
        if segment is not newest:
            return segment
        return segment.model_copy(update={"uploads": (*segment.uploads, upload)})

    fields = _parts(document)
    fields |= {"base": noted(document.base), "catalogue": noted(document.catalogue)}
    return Proposal(fields={**fields, "deltas": tuple(noted(delta) for delta in document.deltas)})


def _parts(document: StoreDocument | None) -> dict[str, Any]:
    if document is None:
        return {"next_seq": 1, "base": None, "catalogue": None, "deltas": ()}
    return {
        "next_seq": document.next_seq,
        "base": document.base,
        "catalogue": document.catalogue,
        "deltas": document.deltas,
    }


def _same(upload: Upload, other: Upload) -> bool:
    if (upload.key, upload.etag) != (other.key, other.etag):
        return False
    if upload.modified is None or other.modified is None:
        return True
    # A listing tells milliseconds, a HEAD whole seconds.
    return upload.modified.replace(microsecond=0) == other.modified.replace(microsecond=0)
