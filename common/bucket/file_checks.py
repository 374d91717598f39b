"""Checks of the cache's files: of the whole file, or of a sample of its chunks.

A file has a sha256, which takes a second or more for a gigabyte. So a larger file gets sums beside it: a CRC-32 for
each chunk. A start compares a few chunks of it with their sums, which finds a file of which a part is damaged, and
hardly ever a single flipped bit. That is found by the reading of the whole file, which goes on in the background.
"""

from __future__ import annotations

import errno
import hashlib
import os
import random
from array import array
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import Final
from zlib import crc32

from common.schemas.documents import FileRef

WHOLE_BYTES: Final = 256 << 10
"""Files up to this size are always read whole; most of a layer's are."""

CHUNK_BYTES: Final = 64 << 10
SAMPLED_CHUNKS: Final = 8
"""The first, the last, and six between them at random: 0.5 MB of a file."""

PIECE_BYTES: Final = 4 << 20
SUMS_SUFFIX: Final = ".sums"
_SUM_BYTES: Final = 4


_OF_THE_PROCESS: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.ENOENT})


def means_damage(error: OSError) -> bool:
    """Whether a file that raises this when it is read has to be fetched anew. The disk may take it at another place."""
    return error.errno not in _OF_THE_PROCESS


def sums_path(path: Path) -> Path:
    return path.with_name(path.name + SUMS_SUFFIX)


def looks_whole(path: Path, ref: FileRef) -> bool:
    """Whether a file of the right length seems to be what `ref` names. Raises `OSError` for a file that cannot be read.

    A small file is read whole. So is one whose sample does not fit, or that has no sums.
    """
    if ref.bytes > WHOLE_BYTES and _sample_fits(path, ref.bytes):
        return True
    return is_whole(path, ref)


def is_whole(path: Path, ref: FileRef) -> bool:
    """Whether the file is what `ref` names; its sums are written if it is. Raises `OSError`."""
    return finish(reading(path, ref))


def reading(path: Path, ref: FileRef) -> Generator[None, None, bool]:
    """As `is_whole`, in pieces of `PIECE_BYTES`: the value that the generator returns."""
    digest, sums = hashlib.sha256(), array("I")
    wants_sums = ref.bytes > WHOLE_BYTES and not sums_path(path).exists()
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
            if wants_sums:
                sums.extend(_sums_of(piece))
            yield
    if digest.hexdigest() != ref.sha256:
        return False
    if wants_sums:
        _write(path, sums)
    return True


def finish(work: Generator[None, None, bool]) -> bool:
    """The value that a generator returns."""
    while True:
        try:
            next(work)
        except StopIteration as end:
            return bool(end.value)


def write_sums(path: Path, size: int) -> None:
    """Writes the sums of a file that is known to be whole. Raises `OSError`."""
    if size <= WHOLE_BYTES:
        return
    sums = array("I")
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            sums.extend(_sums_of(piece))
    _write(path, sums)


def _sums_of(piece: bytes) -> Iterator[int]:
    view = memoryview(piece)
    return (crc32(view[at : at + CHUNK_BYTES]) for at in range(0, len(piece), CHUNK_BYTES))


def _write(path: Path, sums: array[int]) -> None:
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    partial.write_bytes(sums.tobytes())
    partial.replace(sums_path(path))


def _sample_fits(path: Path, size: int) -> bool:
    n = -(-size // CHUNK_BYTES)
    try:
        sums_file = os.open(sums_path(path), os.O_RDONLY)
    except FileNotFoundError:
        return False
    try:
        if os.fstat(sums_file).st_size != n * _SUM_BYTES:
            return False
        with path.open("rb", buffering=0) as file:
            return all(_chunk_fits(file.fileno(), sums_file, chunk) for chunk in _sample(n))
    finally:
        os.close(sums_file)


def _sample(n: int) -> set[int]:
    return {0, n - 1, *random.sample(range(n), min(n, SAMPLED_CHUNKS - 2))}


def _chunk_fits(file: int, sums_file: int, chunk: int) -> bool:
    written = os.pread(sums_file, _SUM_BYTES, chunk * _SUM_BYTES)
    return [crc32(os.pread(file, CHUNK_BYTES, chunk * CHUNK_BYTES))] == array("I", written).tolist()
