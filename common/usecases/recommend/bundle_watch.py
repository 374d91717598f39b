"""The bundle watch: keeps the newest published bundle open.

It reads the current document every few seconds and replaces the whole bundle at once. Once a minute it reads the
activity in the bucket, for the metrics.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from common import logs
from common.bucket.current import CurrentFile
from common.errors import BucketUnavailable, RecsysError
from common.schemas.documents import Bundle, ServingDocument
from common.serving.bundle import ServedBundle
from common.usecases.recommend.activity import Activity, read_activity
from common.usecases.recommend.served_files import ServedFiles
from common.usecases.shared.context import Context

# Some providers charge for listings.
ACTIVITY_EVERY_S: Final = 60.0
# A version that could not be opened is tried again, because the fault may have been this machine's disk.
RETRY_REFUSED_S: Final = 60.0

ANSWER_S: Final = 10.0
"""A bucket that has not said within this time which version is the newest counts as one that does not answer."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Refusal:
    """A published version that cannot be served here; `bundle_id` is None where the document itself is damaged."""

    etag: str | None
    bundle_id: str | None
    message: str
    at: datetime


class BundleWatch:
    """The bundle that is served, and the state of the watch.

    current: replaced in one assignment; a replaced bundle stays open while a request uses it
    refusal: set while the newest version cannot be opened; the one before is served then
    nothing_published: True once the bucket has answered that there is no version
    store_answers: False while the bucket does not answer, or refuses to; all else goes on (a property)
    activity: None until it has been read
    """

    def __init__(self, context: Context) -> None:
        self.current: ServedBundle | None = None
        self.refusal: Refusal | None = None
        self.nothing_published = False
        self._answered = True
        self._asked_at: float | None = None
        self.activity: Activity | None = None
        self._activity_due = 0.0
        self._context = context
        self._files = ServedFiles(context)
        self._damaged = False
        self._heal_again: datetime | None = None
        self._told = ""
        self._file = CurrentFile(context.bucket, context.keys.serving_current, ServingDocument)
        self._etag: str | None = None
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._follow, name="bundle-watch", daemon=True)

    def start(self) -> None:
        """Opens what is published, and starts the thread."""
        self.refresh()
        self._thread.start()

    def stop(self) -> None:
        """Ends the thread and waits for it."""
        self._stopping.set()
        if self._thread.ident is not None:
            self._thread.join()

    @property
    def store_answers(self) -> bool:
        """False while the bucket does not answer: after an error, and `ANSWER_S` after a question that hangs."""
        asked_at = self._asked_at
        return self._answered and (asked_at is None or time.monotonic() - asked_at < ANSWER_S)

    @contextmanager
    def _asking(self) -> Iterator[None]:
        """For questions that take no time; a bundle may take long to fetch."""
        self._asked_at = time.monotonic()
        try:
            yield
        finally:
            self._asked_at = None

    def age_s(self) -> float | None:
        """Seconds since the served version was made; None while there is none."""
        if self.current is None:
            return None
        return (self._context.now() - self.current.document.created_at).total_seconds()

    def model_age_s(self) -> float | None:
        """Seconds since the served model was trained; None while there is none."""
        if self.current is None:
            return None
        return (self._context.now() - self.current.document.model.trained_at).total_seconds()

    def doubt(self) -> None:
        """What is served may be damaged on this machine: the thread reads its files whole, and fetches anew what is."""
        self._files.doubt()

    def refresh(self) -> None:
        """Opens what is published, if it is new. Raises nothing where the store does not answer or the version cannot
        be opened; `SettingError` where the store refuses the key."""
        try:
            self._open_newest()
        except BucketUnavailable as error:
            if self._answered:
                logs.event(
                    log,
                    logging.WARNING,
                    "the bucket does not answer; the open bundle is served",
                    error=str(error),
                )
            self._answered = False
        else:
            self._answered = True

    def _follow(self) -> None:
        while not self._stopping.wait(self._context.settings.refresh_s):
            self.follow_once()

    def follow_once(self) -> None:
        """One round of the thread. Raises nothing: without the thread, an old version would be served for ever."""
        try:
            self.refresh()
            self.heal()
            self._read_activity()
        except Exception as error:
            # Whatever the fault: a refused key, a defect.
            self._answered = False
            self._tell(error)
        else:
            self._told = ""

    def _read_activity(self) -> None:
        """Reads the activity; the last one stays where the bucket cannot be listed."""
        if not self.store_answers or time.monotonic() < self._activity_due:
            return
        self._activity_due = time.monotonic() + ACTIVITY_EVERY_S
        try:
            self.activity = read_activity(self._context)
        except RecsysError as error:
            logs.event(log, logging.WARNING, "the bucket could not be listed for the metrics", error=error.message)

    def _open_newest(self) -> None:
        with self._asking():
            info = self._context.bucket.head(self._context.keys.serving_current)
        self.nothing_published = info is None
        if info is None or info.etag == self._etag or self._is_refused(info.etag):
            return
        bundle: Bundle | None = None
        try:
            with self._asking():
                snapshot = self._file.read()
            if snapshot.document is None:
                return
            bundle = snapshot.document.bundle
            if self.current is None or bundle != self.current.document:
                self.current = self._open(bundle)
                self._damaged, self._heal_again = False, None
            self._etag, self.refusal = snapshot.etag, None
        except BucketUnavailable:
            raise
        except Exception as error:
            # Damage, a full or read-only disk, a document of another release: the old bundle is still served.
            self._refuse(info.etag, bundle, error)

    def heal(self) -> None:
        """Looks at some more of the files of what is served, and opens it anew once damaged ones were fetched anew.

        It is served as it is until that has succeeded. If it cannot, because the bucket's file is damaged too, that is
        a refusal. Raises `BucketUnavailable`.
        """
        served, now = self.current, self._context.now()
        retry = timedelta(seconds=RETRY_REFUSED_S)
        if served is None or (self._heal_again is not None and timedelta() < self._heal_again - now <= retry):
            return
        self._damaged = self._files.look(served.document) or self._damaged
        if not self._damaged:
            return
        try:
            self.current = self._open(served.document)
        except BucketUnavailable:
            raise
        except Exception as error:
            self._heal_again = now + retry
            if self.refusal is None or self.refusal.etag == self._etag:
                self._refuse(self._etag, served.document, error)
        else:
            self._damaged = False
            if self.refusal is not None and self.refusal.etag == self._etag:
                self.refusal = None

    def _open(self, bundle: Bundle) -> ServedBundle:
        served = self._files.open(bundle)
        logs.event(log, logging.INFO, "bundle opened", bundle_id=bundle.bundle_id, layers=len(bundle.layers))
        return served

    def _tell(self, error: Exception) -> None:
        """Logs why the bucket cannot be followed, once for each reason in a row."""
        message = _message(error)
        if message != self._told:
            self._told = message
            trace = None if isinstance(error, RecsysError) else error
            logs.event(log, logging.ERROR, "following the bucket failed; trying again", trace, error=message)

    def _is_refused(self, etag: str) -> bool:
        refusal = self.refusal
        if refusal is None or refusal.etag != etag:
            return False
        # A clock that was set back must not keep it refused for as long.
        return 0 <= (self._context.now() - refusal.at).total_seconds() < RETRY_REFUSED_S

    def _refuse(self, etag: str | None, bundle: Bundle | None, error: Exception) -> None:
        """Keeps the refusal. It is logged once for each version, with the trace of an error that is a defect."""
        bundle_id = bundle.bundle_id if bundle else None
        message = _message(error)
        known = self.refusal is not None and (self.refusal.etag, self.refusal.message) == (etag, message)
        self.refusal = Refusal(etag, bundle_id, message, self._context.now())
        if not known:
            trace = None if isinstance(error, RecsysError) else error
            logs.event(log, logging.ERROR, "bundle refused", trace, bundle_id=bundle_id, error=message)


def _message(error: Exception) -> str:
    return error.message if isinstance(error, RecsysError) else f"{type(error).__name__}: {error}"
