"""The commit loop: a current document is replaced by a conditional PUT, and in no other way.

The steps are: read the document with its ETag, build new files, PUT the files, PUT the document with If-Match. Every
document carries its own commit id. So after a refusal or a lost answer the writer reads the document again and knows:

* the id is in `commits`: the commit succeeded, whatever the answer said;
* the id is absent and the ETag has changed: the commit failed for good, because a PUT that is still under way expects
  the old ETag. The change is applied again to the new version;
* the id is absent and the ETag has not changed: the PUT may still succeed. The same document is PUT again, and at most
  one of the two PUTs can succeed.

The loop deletes no files, because another commit may reference the same content. `sweep` deletes unreferenced files
later; an erasure deletes its files at once. So if a change misses a file and the document has changed meanwhile, the
change is applied again.
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
from common.bucket.precedence import LONGEST_YIELD_S, Precedence, let_erasure_pass
from common.bucket.sweep import SHORTEST_AGE
from common.errors import BucketUnavailable, CommitContention, CorruptError
from common.ids import new_id
from common.schemas.documents import MAX_COMMITS

T = TypeVar("T")

FIRST_WAIT_S = 0.02
LONGEST_WAIT_S = 2.0


class Backoff:
    """Random waits between tries, uniform up to a bound that doubles ("full jitter"), until `deadline_s` has passed."""

    def __init__(
        self, deadline_s: float, rng: Random, clock: Callable[[], float], sleep: Callable[[float], None]
    ) -> None:
        self._end = clock() + deadline_s
        self._rng = rng
        self._clock = clock
        self._sleep = sleep
        self._bound = FIRST_WAIT_S

    def pause(self) -> bool:
        """Waits and returns True; returns False at once if the wait would end after the deadline."""
        delay = self._rng.uniform(0, self._bound)
        self._bound = min(2 * self._bound, LONGEST_WAIT_S)
        if self._clock() + delay >= self._end:
            return False
        self._sleep(delay)
        return True

    def extend(self, seconds: float) -> None:
        """Moves the deadline: time that others were let pass does not count."""
        self._end += seconds

    def patiently(self, work: Callable[[], T]) -> T:
        """Returns the result of `work`, which is tried again while the object store does not answer.

        Raises the last `BucketUnavailable` at the deadline.
        """
        while True:
            try:
                return work()
            except BucketUnavailable:
                if not self.pause():
                    raise


DEADLINE_S = 30.0
# Half of the age at which the sweep may delete a file, so that no document refers to a file that the sweep has deleted.
LONGEST_S = SHORTEST_AGE.total_seconds() / 2


@dataclass(frozen=True)
class NewFile:
    """A file that is put before the document. Its key must name its content: one commit puts each key only once."""

    key: str
    content: bytes | Path


@dataclass(frozen=True)
class Proposal:
    """The next document's fields except those that the commit sets (`commit_id`, `commits`, `committed_at`)."""

    fields: Mapping[str, Any]
    files: tuple[NewFile, ...] = ()


def commit(
    current: CurrentFile[D],
    change: Callable[[Snapshot[D]], Proposal | None],
    *,
    now: Callable[[], datetime],
    deadline_s: float = DEADLINE_S,
    precedence: Precedence | None = None,
    rng: Random | None = None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> D | None:
    """Applies `change` to the newest version and returns the committed document.

    `change` is called again after each conflict, so its result may depend on the snapshot only. If it returns None,
    nothing is written and the current document is returned. No new try begins after `deadline_s` seconds; the first try
    may take up to `LONGEST_S`. With `precedence`, which only an erasure has, other writers let this commit pass;
    without it this commit lets erasures pass, and the time for that comes on top.

    Raises `CommitContention` if the change was certainly not committed, and `BucketUnavailable` if the object store
    does not answer. Its `details["outcome"]` is "unknown" if the change may have been committed or may still be.
    """
    latest = clock() + LONGEST_S
    backoff = Backoff(deadline_s, rng or Random(), clock, sleep)
    done: set[str] = set()
    patience_s = LONGEST_YIELD_S
    while True:
        if precedence is not None:
            precedence.claim()
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
        if precedence is None and current.erasure_mark is not None:
            passed_s = let_erasure_pass(current.bucket, current.erasure_mark, patience_s, clock, sleep)
            patience_s -= passed_s
            backoff.extend(passed_s)
        document = _next_document(current, snapshot, proposal, now())
        if _put_document(current, snapshot, document, backoff):
            return document
        if not backoff.pause():
            raise CommitContention(f"other writers of {current.key} won for {deadline_s:g} s", key=current.key)


def _put_files(bucket: Bucket, files: tuple[NewFile, ...], done: set[str], backoff: Backoff) -> None:
    """Puts the files, several at a time if the bucket allows it: an update has about twenty small files."""
    missing = {file.key: file for file in files if file.key not in done}

    def put(file: NewFile) -> None:
        # An existing object is put again too: that renews its age, so that the sweep does not delete it.
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


def _put_document(current: CurrentFile[D], snapshot: Snapshot[D], document: D, backoff: Backoff) -> bool:
    """PUTs `document` until the result is certain: True if it is committed, False if it never will be."""
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
    """Whether `seen` still lists every commit since `snapshot`, so that an absent id was certainly not committed."""
    commits = seen.document.commits if seen.document else ()
    if snapshot.document is None:
        return 0 < len(commits) < MAX_COMMITS
    return snapshot.document.commit_id in commits


def _unknown(current: CurrentFile[D], reason: str) -> BucketUnavailable:
    return BucketUnavailable(
        f"it is not known whether the commit to {current.key} succeeded: {reason}", key=current.key, outcome="unknown"
    )
