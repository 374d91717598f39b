"""The erasure of people from the store: one commit that rewrites the segments with their events and adds tombstones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Final

from common.bucket.commit import NewFile, Proposal, commit
from common.bucket.current import Snapshot
from common.bucket.precedence import Precedence
from common.ids import sha256_of_bytes
from common.schemas.data import U64
from common.schemas.documents import FileRef, Segment, StoreDocument, Upload
from common.store.segments.erasure import Rewritten, rewrite_without_erased
from common.store.segments.tombstones import Tombstones
from common.usecases.shared.context import Context
from common.usecases.shared.tombstones import read_tombstones

COMMIT_DEADLINE_S: Final = 300.0
"""For each of the two commits of an erasure. The first try may rewrite a base of millions of events, or every layer of
each version that can be gone back to."""


@dataclass
class StoreErasure:
    """The erasure of the events up to `until` of `people` (n, 2) uint64.

    `rewritten` are the segments that held such events, in the version of the store that was read last."""

    ctx: Context
    people: U64
    until: datetime
    work: Path
    rewritten: list[Rewritten] = field(default_factory=list)
    _by_sha256: dict[str, Rewritten | None] = field(default_factory=dict)

    @property
    def events_erased(self) -> int:
        return sum(segment.found.events for segment in self.rewritten)

    @property
    def people_found(self) -> int:
        """The number of `people` who had an event in one of the segments."""
        return len(set().union(*(segment.found.marks for segment in self.rewritten)))

    def carry_out(self) -> StoreDocument:
        """Commits the erasure and returns the current version. If it was committed before, nothing is written."""
        with Precedence(self.ctx.bucket, self.ctx.keys.erasure_mark) as first:
            document = commit(
                self.ctx.store_file, self._change, now=self.ctx.now, deadline_s=COMMIT_DEADLINE_S, precedence=first
            )
        assert document is not None  # it holds the tombstones
        return document

    def _change(self, snapshot: Snapshot[StoreDocument]) -> Proposal | None:
        document = snapshot.document
        number = (document.erasure if document else 0) + 1
        before = read_tombstones(self.ctx, document)
        tombstones = before.adding(self.people, self.until, number)
        self.rewritten = []
        if document and tombstones.of_marks == before.of_marks:
            return None
        ref, file = tombstone_file(self.ctx, tombstones)
        cleaned, files = self._cleaned(document, tombstones) if document else (None, [])
        fields = cleaned.carried() if cleaned else {}
        return Proposal({**fields, "erased": ref, "erasure": number}, (*files, file))

    def _cleaned(self, document: StoreDocument, tombstones: Tombstones) -> tuple[StoreDocument, list[NewFile]]:
        """The document with the rewritten segments in place of the old ones, and their files."""
        keys, files, orphans = self.ctx.keys, list[NewFile](), list[Upload]()

        def clean(segment: Segment | None, key_of: Callable[[str], str]) -> Segment | None:
            rewritten = self._rewrite(segment, tombstones, document.erasure) if segment else None
            if segment is None or rewritten is None:
                return segment
            self.rewritten.append(rewritten)
            if rewritten.file is None:
                orphans.extend(segment.uploads)
                return None
            entry = rewritten.file.entry(key_of, segment.seq, segment.uploads)
            files.append(NewFile(entry.file.key, rewritten.file.path))
            return entry

        base, catalogue = clean(document.base, keys.store_base), clean(document.catalogue, keys.store_base)
        deltas = tuple(entry for delta in document.deltas if (entry := clean(delta, keys.store_delta)))
        parts = {"base": base, "catalogue": catalogue, "deltas": deltas}
        return document.model_copy(update=parts).noting(tuple(orphans)), files

    def _rewrite(self, segment: Segment, tombstones: Tombstones, since: int) -> Rewritten | None:
        name = segment.file.sha256
        if segment.events and name not in self._by_sha256:
            memory = self.ctx.settings.ingest_memory_bytes
            target = self.work / f"{name}.duckdb"
            path = self.ctx.path_of(segment.file)
            self._by_sha256[name] = rewrite_without_erased(segment, path, tombstones, since, target, memory)
        return self._by_sha256.get(name)


def tombstone_file(ctx: Context, tombstones: Tombstones) -> tuple[FileRef, NewFile]:
    """The file of the tombstones to put, and the reference to it for the store's document."""
    content = tombstones.to_bytes()
    sha256 = sha256_of_bytes(content)
    key = ctx.keys.store_erased(sha256)
    return FileRef(key=key, sha256=sha256, bytes=len(content)), NewFile(key, content)
