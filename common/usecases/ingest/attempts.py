"""The count of the tries to take in an upload, beside its key, so that a file that kills what reads it is found.

A try is written down before the file is fetched, by a conditional PUT, and taken away when it ends, however it ends. So
what is left over has died: at once for a process of this machine, else when the try's time is over. An upload may be
delivered twice, and two tries may go on at the same time: neither counts the other as dead while it may be alive.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum
from typing import Final

from pydantic import ValidationError

from common import logs
from common.bucket.port import CONFLICT
from common.errors import BucketUnavailable, CommitContention, FileRejected, ReaderDied, UnavailableError
from common.schemas.documents import Upload, UploadAttempt, UploadAttempts
from common.usecases.ingest.holders import Holder, own_id, state_of
from common.usecases.shared.context import Context

MAX_DEATHS: Final = 3
"""After so many deaths an upload is refused."""
# Deliveries of one upload that may be at it at once. A file that kills machines kills no more before it has to wait.
AT_ONCE: Final = 16
_UNSEEN: Final = "the process that took it in was killed"
# A try ends at its deadline. The rest is for what follows it, such as the writing of its end.
_SLACK: Final = timedelta(minutes=1)
_TRIES: Final = 20

log = logging.getLogger(__name__)

_going_on: set[str] = set()


class OthersFirst(UnavailableError):
    """The upload has killed what took it in: it is tried again after everything that waits behind it."""


@dataclass
class Attempts:
    """The tries of one upload. `deaths` are those that are known of since `begin`."""

    ctx: Context
    upload: Upload
    run_id: str
    deaths: tuple[str, ...] = ()
    _key: str = field(init=False)

    def __post_init__(self) -> None:
        self._key = self.ctx.keys.attempts_at(self.upload.key)

    @classmethod
    def died(cls, ctx: Context, upload: Upload) -> None:
        """Counts the death of a try of which nothing is known but that it took in this upload, too. A count that is
        there already stays as it is."""
        document = UploadAttempts(upload=upload, deaths=(_UNSEEN,))
        ctx.bucket.put_if(ctx.keys.attempts_at(upload.key), document.model_dump_json().encode(), None)

    def begin(self, last: bool) -> None:
        """Writes this try down. `last` says that nothing waits behind the upload.

        Raises `OthersFirst` if a try of it has died and something may wait, and `UnavailableError` if `AT_ONCE`
        tries go on: the file may be what keeps them."""
        own = new_attempt(self.ctx, self.run_id)
        if self._put(UploadAttempts(upload=self.upload, running=(own,)), None):
            return
        for document, etag in self._versions():
            self.deaths = document.deaths
            self._check(len(document.running), last)
            if self._put(document.model_copy(update={"running": (*document.running, own)}), etag):
                return

    def _check(self, others: int, last: bool) -> None:
        if self.deaths and not last:
            raise OthersFirst(f"{self.upload.key} has killed what took it in, and waits for the others")
        if others >= AT_ONCE and len(self.deaths) < MAX_DEATHS:
            raise UnavailableError(f"{self.upload.key} is being taken in by {others} other calls; try again later")

    def end(self, death: str = "") -> None:
        """Takes this try away, and counts it if it died."""
        for document, etag in self._versions():
            running = tuple(attempt for attempt in document.running if attempt.run_id != self.run_id)
            self.deaths = (*document.deaths, death) if death else document.deaths
            if not running and not self.deaths:
                self.forget()
                return
            if self._put(document.model_copy(update={"running": running, "deaths": self.deaths}), etag):
                return

    def forget(self) -> None:
        """Deletes the count: the upload is done."""
        self.ctx.bucket.delete(self._key)

    def _versions(self) -> Iterator[tuple[UploadAttempts, str | None]]:
        """The document as it is now and its ETag, anew for each conflict."""
        for _ in range(_TRIES):
            blob = self.ctx.bucket.get(self._key)
            found = _parsed(blob.data) if blob else None
            if found is None or found.upload.etag != self.upload.etag:
                # Another upload was at this key.
                found = UploadAttempts(upload=self.upload)
            yield self._settled(found), blob.info.etag if blob else None
        raise CommitContention(f"{self._key} is written by others again and again", key=self._key)

    def _put(self, document: UploadAttempts, etag: str | None) -> bool:
        return self.ctx.bucket.put_if(self._key, document.model_dump_json().encode(), etag) is not CONFLICT

    def _settled(self, document: UploadAttempts) -> UploadAttempts:
        """`document` with what has died counted."""
        if not document.running:
            return document
        fates = [(attempt, fate_of(self.ctx, attempt, self.ctx.bucket.now())) for attempt in document.running]
        running = tuple(attempt for attempt, fate in fates if fate is Fate.GOES_ON)
        deaths = (_UNSEEN,) * sum(fate is Fate.DIED for _, fate in fates)
        return document.model_copy(update={"running": running, "deaths": (*document.deaths, *deaths)})


class Fate(Enum):
    """What has become of a try."""

    GOES_ON = "it goes on, as far as is known"
    DIED = "what took the upload in has died"
    ENDED = "it has ended, and its end could not be written"


def new_attempt(ctx: Context, run_id: str) -> UploadAttempt:
    """A try of this process. Its time is by the bucket's clock, which all processes share.

    `ended` is to be called afterwards."""
    until = ctx.bucket.now() + timedelta(seconds=ctx.settings.upload_deadline_s) + _SLACK
    _going_on.add(run_id)
    return UploadAttempt(run_id=run_id, holder=own_id(ctx.settings.cache_dir), until=until)


def ended(run_id: str) -> None:
    _going_on.discard(run_id)


def fate_of(ctx: Context, attempt: UploadAttempt, now: datetime) -> Fate:
    """What has become of a try that has no end. `now` is by the bucket's clock."""
    if attempt.holder == own_id(ctx.settings.cache_dir) and attempt.run_id not in _going_on:
        return Fate.ENDED
    state, over = state_of(attempt.holder, ctx.settings.cache_dir), attempt.until < now
    if state is Holder.DEAD or (state is Holder.ELSEWHERE and over):
        return Fate.DIED
    return Fate.ENDED if over else Fate.GOES_ON


@contextmanager
def counted(attempts: Attempts, last: bool) -> Iterator[None]:
    """Counts the block as one try, which may die. A try that is ended from outside, as by Ctrl-C, is no death."""
    try:
        attempts.begin(last)
        yield
    except ReaderDied as error:
        death = error.message
        written(lambda: attempts.end(death))
        raise
    except FileRejected:
        written(attempts.forget)
        raise
    except (Exception, KeyboardInterrupt, SystemExit):
        written(attempts.end)
        raise
    else:
        written(attempts.forget)
    finally:
        ended(attempts.run_id)


def written(write: Callable[[], None]) -> None:
    """Carries out `write`. What cannot be written now is found later: by the next try, or by `collect_garbage`."""
    try:
        write()
    except BucketUnavailable as error:
        logs.event(log, logging.WARNING, "end of a try not written", detail=error.message)


def _parsed(data: bytes) -> UploadAttempts | None:
    try:
        return UploadAttempts.model_validate_json(data)
    except ValidationError:
        return None
