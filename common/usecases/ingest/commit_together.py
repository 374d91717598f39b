"""The commit of several small uploads at once to `store/current.json`; for each of them it is what `BatchCommit` is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from common.bucket.commit import NewFile, Proposal
from common.bucket.current import Snapshot
from common.schemas.documents import Segment, StoreDocument, Upload
from common.store.segments.segment import SegmentFile
from common.store.uploads.batch_together import Share, TogetherBatch
from common.usecases.ingest.commit_batch import commit_within
from common.usecases.shared.context import Context
from common.usecases.shared.deadline import Deadline
from common.usecases.shared.tombstones import read_tombstones


class KnownUploads:
    """The uploads that a version of the store holds, to look up many."""

    def __init__(self, document: StoreDocument | None) -> None:
        self._by_content: defaultdict[tuple[str, str], list[Upload]] = defaultdict(list)
        for segment in document.segments if document else ():
            for upload in segment.uploads:
                self._by_content[upload.key, upload.etag].append(upload)

    def has(self, upload: Upload) -> bool:
        return any(upload.is_same(other) for other in self._by_content.get((upload.key, upload.etag), ()))


@dataclass
class TogetherCommit:
    """The commit of `batch`, in which `uploads` are by their places, and its result.

    `known` are the places of uploads that another delivery committed first; `share` are the committed rows of the
    others. Both refer to the version of the store that was read last."""

    ctx: Context
    uploads: Mapping[int, Upload]
    batch: TogetherBatch
    known: frozenset[int] = frozenset()
    share: Share = field(default_factory=Share)
    _put: dict[str, int] = field(default_factory=dict)

    def carry_out(self, deadline: Deadline) -> None:
        """Commits the batch. Raises as `commit_within` does."""
        commit_within(self.ctx, self._change, self._put, deadline)

    def _change(self, snapshot: Snapshot[StoreDocument]) -> Proposal | None:
        document = snapshot.document
        known = KnownUploads(document)
        self.known = frozenset(place for place, upload in self.uploads.items() if known.has(upload))
        new = [upload for place, upload in self.uploads.items() if place not in self.known]
        if not new:
            return None
        tombstones = read_tombstones(self.ctx, document)
        segments = document.segments if document else ()
        files, self.share = self.batch.beside(segments, self.ctx.path_of, tombstones, self.known)
        if not files:
            # The uploads are noted, so that they are not read again.
            return Proposal(document.noting(tuple(new)).carried()) if document and document.segments else None
        return self._appended(document, files, new)

    def _appended(self, document: StoreDocument | None, files: Sequence[SegmentFile], new: list[Upload]) -> Proposal:
        first = document.next_seq if document else 1
        deltas = [
            file.entry(self.ctx.keys.store_delta, first + number, () if number else new)
            for number, file in enumerate(files)
        ]
        self._put |= dict.fromkeys(_keys(deltas), document.erasure if document else 0)
        carried: dict[str, Any] = document.carried() if document else {}
        stored = document.deltas if document else ()
        fields = {**carried, "next_seq": first + len(deltas), "deltas": (*stored, *deltas)}
        return Proposal(fields, tuple(NewFile(d.file.key, f.path) for d, f in zip(deltas, files, strict=True)))


def _keys(deltas: Iterable[Segment]) -> list[str]:
    return [delta.file.key for delta in deltas]
