"""Data that two processes read from the same pages of memory.

The arrays of an object lie in a file that both map, so none of them is copied. The file has no name: it is gone when
its last process ends, however that ends.
"""

from __future__ import annotations

import mmap
import pickle
import tempfile
from pathlib import Path
from typing import IO, Any, Final

_ALIGNMENT: Final = 64
"""Arrays begin at multiples of it, as numpy's own do."""


def nameless_file(directory: Path) -> IO[bytes]:
    return tempfile.TemporaryFile(dir=directory)


def share(data: object, file: IO[bytes]) -> None:
    """Writes `data` into the empty file: at its end everything but the arrays, before it the arrays' bytes."""
    places: list[tuple[int, int]] = []

    def put(buffer: pickle.PickleBuffer) -> None:
        content = buffer.raw()
        file.write(bytes(-file.tell() % _ALIGNMENT))
        places.append((file.tell(), content.nbytes))
        file.write(content)

    rest = pickle.dumps(data, protocol=5, buffer_callback=put)
    head = pickle.dumps((places, rest))
    file.write(head)
    file.write(len(head).to_bytes(8, "big"))
    file.flush()


def shared(file: IO[bytes]) -> Any:
    """What `share` has written; its arrays are read-only."""
    content = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    head = int.from_bytes(content[-8:], "big")
    places, rest = pickle.loads(content[-8 - head : -8])
    return pickle.loads(rest, buffers=[content[start : start + n_bytes] for start, n_bytes in places])
