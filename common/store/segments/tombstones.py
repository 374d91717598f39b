"""Tombstones: marks of erased people, from which nobody can be identified without the key."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import numpy as np
from pydantic import ValidationError

from common.errors import CorruptError
from common.ids import Pseudonymizer
from common.schemas.data import I64, U64, Bools
from common.schemas.documents import Tombstone, TombstoneFile

NEVER: Final = np.iinfo(np.int64).min
_MARK_BYTES: Final = 16
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Tombstones:
    """The tombstones of a store by mark.

    A mark is HMAC-SHA-256(key, pseudonym) cut to 128 bits, with the key that the pseudonymizer derives for erasures.
    The bucket without the key identifies nobody."""

    secret: bytes = field(repr=False)
    of_marks: Mapping[str, Tombstone]

    @classmethod
    def none(cls, pseudonymizer: Pseudonymizer) -> Tombstones:
        """Returns an empty set of tombstones."""
        return cls(pseudonymizer.derived_key("erasures"), {})

    @classmethod
    def read(cls, path: Path, pseudonymizer: Pseudonymizer) -> Tombstones:
        """Reads the file of the tombstones. Raises `CorruptError` for a file of another format."""
        try:
            content = TombstoneFile.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise CorruptError(
                f"the file of the tombstones is not of this format: {error.error_count()} faults"
            ) from None
        return cls(pseudonymizer.derived_key("erasures"), content.tombstones)

    def to_bytes(self) -> bytes:
        ordered = {mark: self.of_marks[mark] for mark in sorted(self.of_marks)}
        return TombstoneFile(tombstones=ordered).model_dump_json().encode()

    def marks(self, keys: U64) -> list[str]:
        """The marks of `keys` (n, 2) uint64: (key_hi, key_lo)."""
        joined = np.ascontiguousarray(keys).astype(">u8").tobytes()
        pseudonyms = (joined[at : at + 16] for at in range(0, len(joined), 16))
        return [hmac.digest(self.secret, pseudonym, "sha256")[:_MARK_BYTES].hex() for pseudonym in pseudonyms]

    def until(self, keys: U64, since: int = 0) -> I64:
        """(n,) int64: the time in microseconds since the epoch up to which events of `keys` (n, 2) stay out.

        It is `NEVER` for people whom no erasure after number `since` has named."""
        limits = {mark: _microseconds(stone.until) for mark, stone in self._since(since).items()}
        if not limits:
            return np.full(len(keys), NEVER, dtype=np.int64)
        return np.array([limits.get(mark, NEVER) for mark in self.marks(keys)], dtype=np.int64)

    def named(self, keys: U64, since: int = 0) -> Bools:
        """(n,) bool: whether an erasure after number `since` has named each of `keys` (n, 2)."""
        named: Bools = self.until(keys, since) != NEVER
        return named

    def adding(self, keys: U64, until: datetime, erasure: int) -> Tombstones:
        """A copy with tombstones of `keys` (n, 2), except where an existing one reaches as far as `until`."""
        added = {mark: Tombstone(until=until, erasure=erasure) for mark in self.marks(keys) if self._ends(mark) < until}
        return Tombstones(self.secret, {**self.of_marks, **added})

    def forgetting(self, keys: U64) -> Tombstones:
        """A copy without the tombstones of `keys` (n, 2)."""
        forgotten = set(self.marks(keys))
        kept = {mark: stone for mark, stone in self.of_marks.items() if mark not in forgotten}
        return Tombstones(self.secret, kept)

    def of(self, key: U64) -> Tombstone | None:
        """The tombstone of one person, (2,) uint64; None if there is none."""
        return self.of_marks.get(self.marks(key[None])[0])

    def _ends(self, mark: str) -> datetime:
        stone = self.of_marks.get(mark)
        return stone.until if stone else _EPOCH

    def _since(self, erasure: int) -> dict[str, Tombstone]:
        return {mark: stone for mark, stone in self.of_marks.items() if stone.erasure > erasure}


def _microseconds(time: datetime) -> int:
    return (time - _EPOCH) // timedelta(microseconds=1)
