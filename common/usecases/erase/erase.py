"""The erasure of people, in three steps that may be repeated.

The store comes first, so that nobody who reads it afterwards publishes these people again. Then come the served
versions, and then the leftover files of both. A process that dies in between leaves the request, which the sweep then
carries out.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import numpy as np
from pydantic import ValidationError

from common.bucket.commit import Proposal, commit
from common.bucket.current import Snapshot
from common.errors import CorruptError, UnavailableError
from common.ids import UserKey, new_id, split_user_key
from common.schemas.data import U64
from common.schemas.documents import RunRecord, StoreDocument
from common.schemas.erasure import ErasureReceipt, ErasureRequest
from common.store.uploads.reasons import CLOCK_SKEW
from common.usecases.erase.leftovers import delete_leftovers
from common.usecases.erase.served import erase_served
from common.usecases.erase.stored import StoreErasure, tombstone_file
from common.usecases.shared.context import Context
from common.usecases.shared.key_check import require_key
from common.usecases.shared.runs import RunLog, start_run
from common.usecases.shared.tombstones import read_tombstones
from common.usecases.shared.workspace import workspace


def erase(ctx: Context, user_ids: Sequence[str]) -> ErasureReceipt:
    """Erases the people with these user ids and returns the receipt, also if another call has carried the erasure out
    meanwhile. The sweep completes an interrupted erasure.

    Raises `SettingError` under another pseudonym key than the bucket's.
    """
    require_key(ctx)  # before the request is put: the sweep, with the right key, would erase other pseudonyms
    people = tuple(sorted({key.hex() for user_id in user_ids for key in ctx.shop.pseudonymizer.user_keys(user_id)}))
    # A clock that is behind must not leave out the newest events.
    request = ErasureRequest(requested_at=max(ctx.now(), ctx.bucket.now()), people=people)
    key = ctx.keys.erasure_request(new_id(request.requested_at))
    ctx.bucket.put(key, request.model_dump_json().encode())
    run = take_request(ctx, key)
    return read_receipt(ctx, run) if "receipt" in run.details else _receipt_of_another(ctx, key)


def take_request(ctx: Context, key: str) -> RunRecord:
    """Carries out the request at `key` and deletes it. Without a request there, another call has carried it out."""
    with start_run(ctx, "erase") as run:
        blob = ctx.bucket.get(key)
        if blob is None:
            return run.finish(notices=["the request is gone: another call has carried it out"])
        request = _read_request(key, blob.data)
        people = keys_of([UserKey(bytes.fromhex(person)) for person in request.people])
        erase_people(ctx, run, people, request.requested_at, key)
        ctx.bucket.delete(key)
        ctx.bucket.purge_versions(key)
        return run.finish()


def _read_request(key: str, data: bytes) -> ErasureRequest:
    try:
        return ErasureRequest.model_validate_json(data)
    except ValidationError:
        raise CorruptError(f"{key} is no request for an erasure: delete it and ask again", key=key) from None


def erase_people(ctx: Context, run: RunLog, people: U64, requested_at: datetime, request: str | None = None) -> None:
    """Erases `people` (n, 2) uint64 and writes the receipt, which names the key of the `request`. The caller deletes
    the request and then ends the run.

    Clocks differ, so events up to `CLOCK_SKEW` after the request are erased as well.
    """
    until = requested_at + CLOCK_SKEW
    with workspace(ctx) as work:
        run.step("store")
        in_store = StoreErasure(ctx, people, until, work)
        stored = in_store.carry_out()
        run.step("serving", 0.5)
        in_served = erase_served(ctx)
        run.note(notices=in_served.dropped)
        run.step("leftovers", 0.8)
        deleted = delete_leftovers(ctx, work, run)
    counts = {
        "people_named": len(people),
        "people_found": in_store.people_found,
        "events_erased": in_store.events_erased,
        "segments_rewritten": len(in_store.rewritten),
        "layers_rewritten": in_served.layers,
        "versions_rewritten": in_served.versions,
        "versions_dropped": len(in_served.dropped),
        "layers_deleted": in_served.deleted,
        **deleted,
    }
    run.note(counts=counts)
    _leave_receipt(ctx, run, stored, requested_at, until, request)


def finish_erasures(ctx: Context) -> list[RunRecord]:
    """Removes people from the served versions who have been erased from the store only.

    Usually there are none. It happens if a shop's very first version is published during its first erasure, and the
    process of the erasure is killed."""
    stored, served = ctx.store_file.read().document, ctx.serving_file.read().document
    if stored is None or served is None or served.erasure >= stored.erasure:
        return []
    with start_run(ctx, "erase") as run:
        erasure = erase_served(ctx)
        counts = {"layers_rewritten": erasure.layers, "layers_deleted": erasure.deleted}
        return [run.finish(counts=counts, notices=erasure.dropped)]


def _leave_receipt(
    ctx: Context, run: RunLog, stored: StoreDocument, requested_at: datetime, until: datetime, request: str | None
) -> None:
    served = ctx.serving_file.read().document
    receipt = ErasureReceipt(
        receipt_id=run.record.run_id,
        request=request,
        requested_at=requested_at,
        until=until,
        finished_at=ctx.now(),
        counts=run.record.counts,
        timings_s=run.timings(),
        store_commit=stored.commit_id,
        bundle_id=served.bundle.bundle_id if served else None,
        documents=(ctx.keys.store_current, *([ctx.keys.serving_current] if served else [])),
    )
    ctx.bucket.put(ctx.keys.erasure_receipt(receipt.receipt_id), receipt.model_dump_json(indent=1).encode())
    run.note(details={"receipt": ctx.keys.erasure_receipt(receipt.receipt_id)})


def read_receipt(ctx: Context, run: RunRecord) -> ErasureReceipt:
    """Returns the receipt that an erasure's run has left. Raises `CorruptError` if it is gone or damaged."""
    return _receipt_at(ctx, run.details["receipt"])


def _receipt_at(ctx: Context, key: str) -> ErasureReceipt:
    blob = ctx.bucket.get(key)
    if blob is None:
        raise CorruptError(f"{key} is gone: somebody has deleted the receipt of this erasure", key=key)
    try:
        return ErasureReceipt.model_validate_json(blob.data)
    except ValidationError:
        raise CorruptError(f"{key} is no receipt of an erasure", key=key) from None


def _receipt_of_another(ctx: Context, request: str) -> ErasureReceipt:
    """The receipt of the call that has taken the request: it was left before the request was deleted."""
    newest_first = sorted(ctx.bucket.list(ctx.keys.erasure_receipts), key=lambda info: info.modified, reverse=True)
    for info in newest_first:
        receipt = _receipt_at(ctx, info.key)
        if receipt.request == request:
            return receipt
    raise UnavailableError(
        f"another call has taken the request; its receipt is to be under {ctx.keys.erasure_receipts}"
    )


def forget_tombstones(ctx: Context, user_ids: Sequence[str]) -> int:
    """Deletes the tombstones of these people, so that their old events are accepted again.

    Returns the number of deleted tombstones. Erased events come back only if they are uploaded again."""
    require_key(ctx)
    people = keys_of([key for user_id in user_ids for key in ctx.shop.pseudonymizer.user_keys(user_id)])
    forgotten = 0

    def change(snapshot: Snapshot[StoreDocument]) -> Proposal | None:
        nonlocal forgotten
        before = read_tombstones(ctx, snapshot.document)
        after = before.forgetting(people)
        forgotten = len(before.of_marks) - len(after.of_marks)
        if snapshot.document is None or not forgotten:
            return None
        ref, file = tombstone_file(ctx, after)
        return Proposal({**snapshot.document.carried(), "erased": ref}, (file,))

    commit(ctx.store_file, change, now=ctx.now)
    return forgotten


def keys_of(keys: Sequence[UserKey]) -> U64:
    """(n, 2) uint64: the pseudonyms as the store holds them, (key_hi, key_lo)."""
    return np.array([split_user_key(key) for key in keys], dtype=np.uint64).reshape(-1, 2)
