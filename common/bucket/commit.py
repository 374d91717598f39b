"""The commit loop: how a current document is replaced by a conditional PUT, and by nothing else.

Read with ETag → build new files → PUT the files → PUT the document If-Match. Every document carries its own commit id,
so that after a refusal or a lost answer the writer reads back and knows:

* its id is in `commits`: the commit landed, whatever the answer said;
* the id is absent and the ETag has moved: it did not land and never will, because a PUT that may still be under way
  expects the old ETag. The change is applied again to the new version;
* the id is absent and the ETag has not moved: the PUT may land yet. The same document is PUT again, of which at most
  one can land.

Files are never deleted here: another commit may have come to reference equal content. `sweep` does it, later, and an
erasure at once; so a change that finds a file gone is applied again where the document has moved on meanwhile.
The protocol follows icechunk's design document 017 and pyiceberg's `commit_transaction`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any, TypeVar

from common.bucket.current import CurrentFile, D, Snapshot
from common.bucket.port import CONFLICT, Bucket
from common.bucket.sweep import SHORTEST_AGE
from common.errors import BucketUnavailable, CommitContention, CorruptError
from common.ids import new_id
from common.schemas.documents import MAX_COMMITS

T = TypeVar("T")

FIRST_WAIT_S = 0.02
LONGEST_WAIT_S = 2.0


class Backoff:
    """Waits between tries, uniformly up to a bound that doubles ("full jitter"), until `deadline_s` has passed."""

    def __init__(
        self, deadline_s: float, rng: Random, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._end = clock() + deadline_s
        self._rng = rng
        self._clock = clock
        self._sleep = sleep
        self._bound = FIRST_WAIT_S

    def pause(self) -> bool:
        """Waits; False, at once, if the deadline would pass."""
        delay = self._rng.uniform(0, self._bound)
        self._bound = min(2 * self._bound, LONGEST_WAIT_S)
        if self._clock() + delay >= self._end:
            return False
        self._sleep(delay)
        return True

    def patiently(self, work: Callable[[], T]) -> T:
        """The result of `work`, tried again while the store does not answer. Raises the last `BucketUnavailable`."""
        while True:
            try:
                return work()
            except BucketUnavailable:
                if not self.pause():
                    raise


DEADLINE_S = 30.0
# Half of the age at which the sweep may take a file: no document is put that refers to a file it may have taken.
LONGEST_S = SHORTEST_AGE.total_seconds() / 2


@dataclass(frozen=True)
class NewFile:
    """A file to put before the document. Its key must name its content: within one commit a key is put only once."""

    key: str
    content: bytes | Path


@dataclass(frozen=True)
class Proposal:
    """The fields of the next document, without the commit's own (`commit_id`, `commits`, `committed_at`)."""

    fields: Mapping[str, Any]
    files: tuple[NewFile, ...] = ()


def commit(
    current: CurrentFile[D],
    change: Callable[[Snapshot[D]], Proposal | None],
    *,
    now: Callable[[], datetime],
    deadline_s: float = DEADLINE_S,
    rng: Random | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> D | None:
    """Applies `change` to the newest version and returns the document that landed.

    `change` is called again after each conflict, so it must follow from the snapshot alone; None from it means that
    there is nothing to do, and returns the document as it is. No new try begins after `deadline_s`; a first try may
    take longer, up to `LONGEST_S`.

    Raises `CommitContention` if the change certainly did not land, and `BucketUnavailable` if the store does not
    answer: its `details["outcome"]` is "unknown" where the change may have landed or may still land.
    """
    latest = clock() + LONGEST_S
    backoff = Backoff(deadline_s, rng or Random(), clock, sleep)
    done: set[str] = set()
    while True:
        snapshot = backoff.patiently(current.read)
        try:
            proposal = change(snapshot)
        except CorruptError:
            if backoff.patiently(current.read).etag == snapshot.etag or not backoff.pause():
                raise
            continue
        if proposal is None:
            return snapshot.document
        _put_files(current.bucket, proposal.files, done, backoff)
        if clock() > latest:
            raise CommitContention(f"preparing a version of {current.key} took over {LONGEST_S:g} s", key=current.key)
        document = _next_document(current, snapshot, proposal, now())
        if _landed(current, snapshot, document, backoff):
            return document
        if not backoff.pause():
            raise CommitContention(f"other writers of {current.key} won for {deadline_s:g} s", key=current.key)


def _put_files(bucket: Bucket, files: tuple[NewFile, ...], done: set[str], backoff: Backoff) -> None:
    """Several at once, where the bucket gains by it: an update has some twenty small files, each a round trip."""
    missing = {file.key: file for file in files if file.key not in done}

    def put(file: NewFile) -> None:
        # Put even if it is there: an old object becomes young again, and so safe from the sweep.
        backoff.patiently(lambda: bucket.put(file.key, file.content))
        done.add(file.key)

    if bucket.at_once == 1:
        for file in missing.values():
            put(file)
        return
    with ThreadPoolExecutor(bucket.at_once) as pool:
        for finished in [pool.submit(put, file) for file in missing.values()]:
            finished.result()


def _next_document(current: CurrentFile[D], snapshot: Snapshot[D], proposal: Proposal, now: datetime) -> D:
    commit_id = new_id(now)
    earlier = snapshot.document.commits if snapshot.document else ()
    own = {"commit_id": commit_id, "commits": (*earlier, commit_id)[-MAX_COMMITS:], "committed_at": now}
    return current.model.model_validate({**proposal.fields, **own})


def _landed(current: CurrentFile[D], snapshot: Snapshot[D], document: D, backoff: Backoff) -> bool:
    """PUTs `document` until its fate is certain: True if it is in the chain of versions, False if it never will be."""
    body = document.model_dump_json().encode()
    answer_lost = False
    while True:
        try:
            if current.bucket.put_if(current.key, body, snapshot.etag) is not CONFLICT:
                return True
        except BucketUnavailable:
            answer_lost = True
        seen = _read_back(current, backoff)
        if seen.document and document.commit_id in seen.document.commits:
            return True
        if seen.etag != snapshot.etag:
            if answer_lost and not _continues(snapshot, seen):
                raise _unknown(current, "its versions since then are no longer recorded")
            return False
        if not backoff.pause():
            if answer_lost:
                raise _unknown(current, "the answer was lost")
            raise CommitContention(f"{current.key} was being written until the deadline", key=current.key)


def _read_back(current: CurrentFile[D], backoff: Backoff) -> Snapshot[D]:
    try:
        return backoff.patiently(current.read)
    except BucketUnavailable as error:
        raise _unknown(current, error.message) from error


def _continues(snapshot: Snapshot[D], seen: Snapshot[D]) -> bool:
    """Whether `seen` still lists every commit since `snapshot`, so that an id absent from it never landed."""
    commits = seen.document.commits if seen.document else ()
    if snapshot.document is None:
        return 0 < len(commits) < MAX_COMMITS
    return snapshot.document.commit_id in commits


def _unknown(current: CurrentFile[D], reason: str) -> BucketUnavailable:
    return BucketUnavailable(
        f"it is not known whether the commit to {current.key} landed: {reason}", key=current.key, outcome="unknown"
    )
