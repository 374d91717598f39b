"""The proof that an object store honours conditional PUT, on which every commit of the product rests.

Some stores ignore the condition. Others honour it for one request at a time and let two concurrent writers both win. So
the proof asks first and then races writers against each other. Its result is kept in the bucket, for the writers that
start later.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from common.bucket.keys import Keys
from common.bucket.port import CONFLICT, Blob, Bucket, Conflict, ObjectInfo
from common.errors import BucketUnavailable, SettingError
from common.ids import new_id
from common.schemas.documents import ConditionalPutProof

WRITERS: Final = 8
ROUNDS: Final = 10
"""A server that checks first and then writes let two of eight writers win in two rounds of three. Ten rounds without a
second winner happen there about twice in a hundred thousand proofs."""

VALID_FOR: Final = timedelta(days=1)
"""After this time the scheduled sweep makes the proof again: a store can be exchanged behind its address."""

_NO_SUCH_ETAG: Final = '"00000000000000000000000000000000"'


def prove_conditional_put(bucket: Bucket, keys: Keys, endpoint: str, rounds: int | None = None) -> ConditionalPutProof:
    """Makes the proof and keeps its result in the bucket. `rounds` stands in place of `ROUNDS`.

    Raises `SettingError`, which names the store, where concurrent writers would lose each other's work.
    """
    proof = ConditionalPutProof(endpoint=endpoint, server=bucket.server(), checked_at=datetime.now(UTC))
    try:
        ask_conditional_put(bucket, keys)
        race_conditional_put(bucket, keys, rounds)
    except SettingError as error:
        failed = proof.model_copy(update={"problem": error.message})
        bucket.put(keys.conditional_put_proof, failed.model_dump_json(indent=1).encode())
        raise
    bucket.put(keys.conditional_put_proof, proof.model_dump_json(indent=1).encode())
    return proof


def read_proof(bucket: Bucket, keys: Keys, endpoint: str) -> ConditionalPutProof | None:
    """The kept proof; None where there is none, where it is damaged, or where it speaks of another endpoint."""
    blob = bucket.get(keys.conditional_put_proof)
    if blob is None:
        return None
    try:
        proof = ConditionalPutProof.model_validate_json(blob.data)
    except ValidationError:
        return None
    return proof if proof.endpoint == endpoint else None


def ask_conditional_put(bucket: Bucket, keys: Keys) -> None:
    """One request after the other on a key of its own, which is gone afterwards.

    Raises `SettingError` where the store ignores If-None-Match or If-Match.
    """
    key = keys.probe(new_id())
    try:
        created = bucket.put_if(key, b"created", None)
        if created is CONFLICT:
            raise _unfit(bucket, "refuses If-None-Match: * for a key that is free")
        if bucket.put_if(key, b"created again", None) is not CONFLICT:
            raise _unfit(bucket, "ignores If-None-Match: *")
        if bucket.put_if(key, b"stale", _NO_SUCH_ETAG) is not CONFLICT:
            raise _unfit(bucket, "ignores If-Match")
        if bucket.put_if(key, b"replaced", created) is CONFLICT:
            raise _unfit(bucket, "refuses If-Match with the current ETag")
    finally:
        bucket.delete(key)


def race_conditional_put(bucket: Bucket, keys: Keys, rounds: int | None = None) -> None:
    """`WRITERS` writers at once on one key, `rounds` or `ROUNDS` times: creating it and replacing it in turn.

    Raises `SettingError` where a round has not exactly one winner, and `BucketUnavailable` where no round was answered.
    """
    key = keys.probe(new_id())
    current: str | None = None
    decided = 0
    try:
        with ThreadPoolExecutor(WRITERS) as pool:
            for number in range(rounds or ROUNDS):
                if number % 2 == 0 and current is not None:
                    bucket.delete(key)
                    current = None
                won, unanswered = _race(bucket, key, current, number, pool)
                if len(won) > 1 or not (won or unanswered):
                    raise _unfit(bucket, f"lets {len(won)} of {WRITERS} concurrent writers win")
                kept = bucket.get(key)
                if won and (kept is None or kept.data != won[0]):
                    raise _unfit(bucket, "loses a write that it has acknowledged")
                decided += len(won)
                current = kept.info.etag if kept else None
    finally:
        bucket.delete(key)
    if not decided:
        raise BucketUnavailable("no write of the probe was answered", key=key)


def _race(
    bucket: Bucket, key: str, expect: str | None, number: int, pool: ThreadPoolExecutor
) -> tuple[list[bytes], int]:
    """The contents of the writers that were told that they won, and how many were told nothing."""
    start = threading.Barrier(WRITERS)

    def write(writer: int) -> bytes | Conflict | None:
        content = f"round {number}, writer {writer}".encode()
        start.wait()
        try:
            return CONFLICT if bucket.put_if(key, content, expect) is CONFLICT else content
        except BucketUnavailable:
            return None

    results = list(pool.map(write, range(WRITERS)))
    return [result for result in results if isinstance(result, bytes)], results.count(None)


def _unfit(bucket: Bucket, problem: str) -> SettingError:
    name = bucket.server()
    return SettingError(
        f"RECSYS_S3_ENDPOINT: the object store{f' ({name})' if name else ''} {problem}, so concurrent writers would "
        "overwrite each other. Use a store with conditional PUT; docs/stores.md lists some."
    )


class ProvenBucket:
    """Passes everything to `inner`, and requires the proof before the first conditional PUT of this process.

    The kept proof will do; where there is none it is made. So whoever only reads, as recommend does, needs no right to
    write, and no writer can forget the proof. `put_if` raises `SettingError` for a store that has failed it.
    """

    def __init__(self, inner: Bucket, keys: Keys, endpoint: str) -> None:
        self._inner = inner
        self._keys = keys
        self._endpoint = endpoint
        self._lock = threading.Lock()
        self._proven = False

    @property
    def at_once(self) -> int:
        return self._inner.at_once

    def server(self) -> str:
        return self._inner.server()

    def now(self) -> datetime:
        return self._inner.now()

    def get(self, key: str) -> Blob | None:
        return self._inner.get(key)

    def fetch(self, key: str, path: Path) -> ObjectInfo | None:
        return self._inner.fetch(key, path)

    def head(self, key: str) -> ObjectInfo | None:
        return self._inner.head(key)

    def put(self, key: str, data: bytes | Path) -> str:
        return self._inner.put(key, data)

    def put_if(self, key: str, data: bytes, expect: str | None) -> str | Conflict:
        # The proof itself goes through, also where an earlier one has failed.
        if not key.startswith(self._keys.probe("")):
            self._require_proof()
        return self._inner.put_if(key, data, expect)

    def delete(self, key: str) -> None:
        self._inner.delete(key)

    def list(self, prefix: str) -> Iterator[ObjectInfo]:
        return self._inner.list(prefix)

    def purge_versions(self, prefix: str) -> int:
        return self._inner.purge_versions(prefix)

    def _require_proof(self) -> None:
        with self._lock:
            if self._proven:
                return
            proof = read_proof(self._inner, self._keys, self._endpoint)
            if proof is None:
                proof = prove_conditional_put(self._inner, self._keys, self._endpoint)
            if proof.problem:
                raise SettingError(f"{proof.problem} `recsys doctor` proves it once more after a change of the store.")
            self._proven = True
