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
from datetime import timedelta
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
# A try ends at its deadline. The rest is for the difference between two clocks.
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

    def begin(self, last: bool) -> None:
        """Writes this try down. `last` says that nothing waits behind the upload.

        Raises `OthersFirst` if a try of it has died and something may wait, and `UnavailableError` if `AT_ONCE`
        tries go on: the file may be what keeps them."""
        until = self.ctx.now() + timedelta(seconds=self.ctx.settings.upload_deadline_s) + _SLACK
        own = UploadAttempt(run_id=self.run_id, holder=own_id(self.ctx.settings.cache_dir), until=until)
        _going_on.add(self.run_id)
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
        running, deaths = [], list(document.deaths)
        for attempt in document.running:
            if attempt.holder == own_id(self.ctx.settings.cache_dir) and attempt.run_id not in _going_on:
                # Its end could not be written.
                continue
            state = state_of(attempt.holder, self.ctx.settings.cache_dir)
            over = attempt.until < self.ctx.now()
            if state is Holder.DEAD or (state is Holder.ELSEWHERE and over):
                deaths.append(_UNSEEN)
            elif not over:
                running.append(attempt)
        return document.model_copy(update={"running": tuple(running), "deaths": tuple(deaths)})


@contextmanager
def counted(attempts: Attempts, last: bool) -> Iterator[None]:
    """Counts the block as one try, which may die. A try that is ended from outside, as by Ctrl-C, is no death."""
    try:
        attempts.begin(last)
        yield
    except ReaderDied as error:
        death = error.message
        _written(lambda: attempts.end(death))
        raise
    except FileRejected:
        _written(attempts.forget)
        raise
    except (Exception, KeyboardInterrupt, SystemExit):
        _written(attempts.end)
        raise
    else:
        _written(attempts.forget)
    finally:
        _going_on.discard(attempts.run_id)


def _written(write: Callable[[], None]) -> None:
    """Carries out `write`. What cannot be written now is found later: by the next try, or by `collect_garbage`."""
    try:
        write()
    except BucketUnavailable as error:
        logs.event(log, logging.WARNING, "end of a try not written", detail=error.message)


def tried_before(ctx: Context) -> set[str]:
    """The keys of the uploads with tries that have died or still go on."""
    return {ctx.keys.attempted(info.key) for info in ctx.bucket.list(ctx.keys.attempts)}


def _parsed(data: bytes) -> UploadAttempts | None:
    try:
        return UploadAttempts.model_validate_json(data)
    except ValidationError:
        return None
