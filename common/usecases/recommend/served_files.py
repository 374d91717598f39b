"""The cached files of what is served: opened, looked at in the background, and fetched anew where they are damaged."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Final

from common.schemas.documents import Bundle, FileRef
from common.serving.bundle import ServedBundle, open_bundle
from common.usecases.shared.context import Context

PARALLEL_FETCHES: Final = 8
PIECES_A_LOOK: Final = 4
"""Pieces of 4 MB that a look reads: at two looks a second, a gigabyte in half a minute, for a twentieth of a core."""

LENGTHS_AGAIN_S: Final = 5.0
"""A file that was cut short ends the process at its next read: the sooner another is mapped, the better."""

FIRST_READING_S: Final = 10.0
"""After a start or a change of versions visitors come first."""

LOOK_AGAIN_S: Final = 86_400.0
DOUBT_AGAIN_S: Final = 60.0


class ServedFiles:
    """What is on this machine's disk of the bundle that is served."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._unread: Iterator[FileRef | None] = iter(())
        self._next_reading = 0.0
        self._next_lengths = 0.0
        self._doubted = threading.Event()
        self._next_doubt = 0.0

    def open(self, bundle: Bundle) -> ServedBundle:
        """The bundle, memory-mapped. If it cannot be opened and a cached file of it is damaged, that file is fetched
        anew and the bundle opened once more. Raises whatever opening it the last time has raised."""
        self._next_reading = time.monotonic() + FIRST_READING_S
        paths = self._fetch(bundle)
        try:
            return open_bundle(bundle, paths.__getitem__)
        except Exception:
            # Whatever it is: damaged files make the libraries raise anything.
            if not self._context.cache.discard_damaged(paths):
                raise
            return open_bundle(bundle, self._fetch(bundle).__getitem__)

    def doubt(self) -> None:
        """The next look reads all files at once: an answer could not be made from them. At most once a minute."""
        self._doubted.set()

    def look(self, bundle: Bundle) -> bool:
        """Reads some more of the files, all of them once a day, and compares their lengths. True if one was damaged; it
        is removed then."""
        now = time.monotonic()
        if now >= self._next_lengths:
            self._next_lengths = now + LENGTHS_AGAIN_S
            if self._context.cache.discard_misfits(_files(bundle)):
                return True
        if self._doubted.is_set() and now >= self._next_doubt:
            self._doubted.clear()
            self._next_doubt = now + DOUBT_AGAIN_S
            return bool(self._context.cache.discard_damaged(_files(bundle)))
        if now >= self._next_reading:
            self._next_reading = now + LOOK_AGAIN_S
            self._unread = self._context.cache.inspect(_files(bundle))
        if all(damaged is None for damaged in islice(self._unread, PIECES_A_LOOK)):
            return False
        self._context.cache.discard_damaged(_files(bundle))  # where one is damaged, others may be
        return True

    def _fetch(self, bundle: Bundle) -> dict[FileRef, Path]:
        fetch = partial(self._context.cache.fetch, self._context.bucket)
        files = _files(bundle)
        # A layer has about thirty files, most of them small: one by one, their round trips would add up.
        with ThreadPoolExecutor(PARALLEL_FETCHES) as pool:
            return dict(zip(files, pool.map(fetch, files), strict=True))


def _files(bundle: Bundle) -> list[FileRef]:
    """Each once."""
    return list({file: None for layer in bundle.layers for file in layer.files.values()})
