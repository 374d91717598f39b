"""The doctor: checks of a deployment, each with advice on a problem that it finds."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Final

from common.bucket.keys import is_folder
from common.bucket.probe import ROUNDS, WRITERS, prove_conditional_put
from common.errors import RecsysError
from common.ids import join_user_key, new_id, split_user_key
from common.schemas.documents import RunState, StoreDocument
from common.store.segments.crowds import Crowd
from common.store.segments.reader import open_store
from common.usecases.publish.versions import KEPT_VERSIONS
from common.usecases.shared.context import Context
from common.usecases.shared.key_check import check_key
from common.usecases.shared.manifests import History, read_served
from common.usecases.shared.run_watch import describe_failure, recent_runs
from common.usecases.shared.told import told
from common.usecases.shared.tombstones import reading_store
from common.usecases.shared.waiting import waiting_uploads
from common.usecases.shared.workspace import workspace

MAX_SKEW: Final = timedelta(minutes=5)
"""S3 refuses signatures that are 15 minutes off; a smaller difference already disturbs the order of run ids."""

WAITING_TOO_LONG: Final = timedelta(hours=1)
RUNS_LOOKED_AT: Final = 20
MOST_LINES: Final = 5
"""Sentences about uploads in one finding."""
MOST_CROWDS_NAMED: Final = 3
_NOBODY: Final = ("0", "-1", "guest", "Guest", "GUEST", "anonymous", "NULL", "null", "None", "nan", "N/A")
"""What shops write where nobody has signed in."""


class CheckState(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"


@dataclass(frozen=True)
class Finding:
    """The result of one check. `advice` says what to do, and is empty if all is well."""

    check: str
    outcome: CheckState
    message: str
    advice: str = ""


Check = Callable[[Context], Finding]


def doctor(ctx: Context) -> Iterator[Finding]:
    """Yields the result of every check. A check that raises an error counts as failed.

    The checks stop if the object store does not answer."""
    for name, check in CHECKS.items():
        try:
            finding = check(ctx)
        except RecsysError as error:
            finding = Finding(name, CheckState.FAILED, error.message, "Correct it and run `recsys doctor` again.")
        yield finding
        if name in _NEEDED and finding.outcome is CheckState.FAILED:
            return


def _object_store(ctx: Context) -> Finding:
    # A listing is used because the answer to a HEAD has no body to say what is wrong.
    next(iter(ctx.bucket.list(ctx.keys.store)), None)
    return Finding(
        "object store", CheckState.OK, f"{ctx.settings.s3_endpoint} answers for bucket {ctx.settings.bucket}"
    )


def _conditional_put(ctx: Context) -> Finding:
    proof = prove_conditional_put(ctx.bucket, ctx.keys, ctx.settings.s3_endpoint)
    name = proof.server or "the store"
    message = f"{name} let one of {WRITERS} concurrent writers win in each of {ROUNDS} rounds"
    return Finding("conditional put", CheckState.OK, message)


def _clock(ctx: Context) -> Finding:
    key = ctx.keys.probe(new_id())
    ctx.bucket.put(key, b"")
    info = ctx.bucket.head(key)
    ctx.bucket.delete(key)
    skew = abs(info.modified - ctx.now()) if info else timedelta()
    if skew > MAX_SKEW:
        message = f"this machine and the object store are {skew.total_seconds():.0f} s apart"
        return Finding("clock", CheckState.WARNING, message, "Set the time by NTP on both.")
    return Finding("clock", CheckState.OK, "agrees with the object store")


def _refused(ctx: Context) -> Finding:
    """What the last uploads were refused for, and what their runs noticed."""
    runs = [run for run in recent_runs(ctx, RUNS_LOOKED_AT) if run.function == "ingest" and run.upload]
    lines = [line for run in runs for line in told(run)]
    if not any(run.reasons or run.state is RunState.REFUSED for run in runs):
        message = f"no row of the last {len(runs)} uploads was refused"
        return Finding("refused rows", CheckState.OK, "; ".join((message, *lines[:MOST_LINES])))
    whole = [f"{describe_failure(run)}" for run in runs if run.state is RunState.REFUSED]
    message = "; ".join([*whole, *lines][:MOST_LINES])
    return Finding("refused rows", CheckState.WARNING, message, "`recsys quarantine` lists what was refused and why.")


def _time_zone(ctx: Context) -> Finding:
    message = f"times without a zone are read as those of {ctx.settings.timezone} (RECSYS_TIMEZONE)"
    ahead = [run for run in recent_runs(ctx, RUNS_LOOKED_AT) if run.reasons.get("ts_in_future")]
    if not ahead:
        return Finding("time zone", CheckState.OK, message)
    rows = sum(run.reasons["ts_in_future"] for run in ahead)
    message += f"; {rows} rows of the last uploads were refused, because they lay in the future"
    return Finding("time zone", CheckState.WARNING, message, "Set RECSYS_TIMEZONE to the zone of the shop's clock.")


def _secrets(ctx: Context) -> Finding:
    missing = [name for name in ("trigger_token", "token_key") if getattr(ctx.settings, name) is None]
    if missing:
        names = ", ".join(f"RECSYS_{name.upper()}" for name in missing)
        return Finding(
            "secrets", CheckState.WARNING, f"{names} not set here", "The functions need them; see docs/settings.md."
        )
    return Finding("secrets", CheckState.OK, "set")


def _pseudonym_key(ctx: Context) -> Finding:
    known = check_key(ctx)
    return Finding("pseudonym key", CheckState.OK, "that of the bucket" if known else "the bucket takes it as its own")


def _cache(ctx: Context) -> Finding:
    directory = _existing(ctx.settings.cache_dir)
    if not os.access(directory, os.W_OK):
        return Finding(
            "cache", CheckState.FAILED, f"{directory} is not writable", "Set RECSYS_CACHE_DIR to a directory that is."
        )
    return Finding("cache", CheckState.OK, f"{ctx.settings.cache_dir} is writable")


def _store(ctx: Context) -> Finding:
    document = ctx.store_file.read().document
    if document is None:
        return Finding("store", CheckState.WARNING, "empty", "Upload items and events: `recsys upload --help`.")
    missing = [part.file.key for part in document.segments if ctx.bucket.head(part.file.key) is None]
    if missing:
        return Finding("store", CheckState.FAILED, f"{missing[0]} is gone", "Restore it from a backup of the bucket.")
    return Finding("store", CheckState.OK, f"{sum(part.events for part in document.segments)} events")


def _serving(ctx: Context) -> Finding:
    document = ctx.serving_file.read().document
    if document is None:
        return Finding("serving", CheckState.WARNING, "nothing is published", "Train: `recsys train`.")
    refs = [ref for layer in document.bundle.layers for ref in layer.files.values()]
    missing = [ref.key for ref in refs if ctx.bucket.head(ref.key) is None]
    if missing:
        return Finding("serving", CheckState.FAILED, f"{missing[0]} is gone", "Train again, or `recsys rollback`.")
    return Finding("serving", CheckState.OK, f"{document.bundle.model.family}, bundle {document.bundle.bundle_id}")


def _versions(ctx: Context) -> Finding:
    """The earlier versions that `rollback` could serve again."""
    found = read_served(ctx)
    history = found[1] if found else History((), ())
    problems = [f"bundle {version.ref.bundle_id}: {version.problem}" for version in history.damaged]
    problems += _without_files(ctx, history)
    if not problems:
        return Finding("versions", CheckState.OK, f"{len(history.readable)} that one can go back to")
    advice = (
        "Restore the manifest and the files from a backup of the bucket, or do nothing: `recsys rollback` passes the "
        f"version over, and the history no longer lists it after at most {KEPT_VERSIONS} trainings."
    )
    return Finding("versions", CheckState.WARNING, "; ".join(problems), advice)


def _without_files(ctx: Context, history: History) -> list[str]:
    there = {info.key for info in ctx.bucket.list(ctx.keys.serving)} if history.readable else set()
    files = {
        ref.bundle_id: {file.key for layer in bundle.layers for file in layer.files.values()}
        for ref, bundle in history.readable
    }
    missing = {bundle_id: sorted(keys - there) for bundle_id, keys in files.items()}
    return [
        f"bundle {bundle_id}: {len(keys)} of its files are gone, {keys[0]} among them"
        for bundle_id, keys in missing.items()
        if keys
    ]


def _waiting(ctx: Context) -> Finding:
    oldest = min((info.modified for info in waiting_uploads(ctx)), default=None)
    if oldest is not None and ctx.now() - oldest > WAITING_TOO_LONG:
        message = f"an upload has waited since {oldest:%Y-%m-%d %H:%M} UTC"
        return Finding(
            "uploads", CheckState.WARNING, message, "`recsys sweep` takes it in; check the notification rules."
        )
    return Finding("uploads", CheckState.OK, "none waits for long")


def _erasures(ctx: Context) -> Finding:
    """Checks requests for erasure; `_waiting` checks uploads of erasures."""
    requests = [info for info in ctx.bucket.list(ctx.keys.erasure_requests) if not is_folder(info.key)]
    stored, served = ctx.store_file.read().document, ctx.serving_file.read().document
    behind = stored is not None and served is not None and served.erasure < stored.erasure
    if behind or any(ctx.now() - info.modified > WAITING_TOO_LONG for info in requests):
        return Finding(
            "erasures", CheckState.WARNING, "an erasure has not come to its end", "`recsys sweep` goes on with it."
        )
    return Finding("erasures", CheckState.OK, f"{stored.erasure if stored else 0} carried out, none waits for long")


def _runs(ctx: Context) -> Finding:
    runs = recent_runs(ctx, RUNS_LOOKED_AT)
    failed = [run for run in runs if run.state is RunState.FAILED]
    if failed:
        message = f"{len(failed)} of the last {len(runs)} failed; the newest: {describe_failure(failed[0])}"
        return Finding("runs", CheckState.WARNING, message, "`recsys status` lists them.")
    return Finding("runs", CheckState.OK, f"none of the last {len(runs)} failed")


def _customers(ctx: Context) -> Finding:
    """Names customer ids that stand for many people, by pseudonym, and by id where it is a usual word for nobody."""
    with workspace(ctx) as work:
        crowds = reading_store(ctx, lambda document: _crowds(ctx, document, work))
    if not crowds:
        return Finding("customers", CheckState.OK, f"none has over {ctx.settings.crowd_share:.0%} of all orders")
    known = {split_user_key(ctx.shop.pseudonymizer.user_key(word)): word for word in _NOBODY}
    told = [
        f"{_name(crowd, known)} has {crowd.orders} orders, {crowd.share:.0%} of all"
        for crowd in crowds[:MOST_CROWDS_NAMED]
    ]
    more = [f"{len(crowds) - MOST_CROWDS_NAMED} more have such a share"] if len(crowds) > MOST_CROWDS_NAMED else []
    message = "; ".join([*told, *more])
    if ctx.settings.crowds_are_nobody:
        return Finding("customers", CheckState.OK, f"{message}; their events count as nobody's")
    advice = (
        "If these are no persons but guests, a till or a script, set RECSYS_CROWDS_ARE_NOBODY=true, or leave user_id "
        "empty with consent=false in the export; then train."
    )
    return Finding("customers", CheckState.WARNING, message, advice)


def _crowds(ctx: Context, document: StoreDocument | None, work: Path) -> tuple[Crowd, ...]:
    with open_store(document, ctx.path_of, work) as reader:
        return reader.crowds(ctx.settings.crowd_share)


def _name(crowd: Crowd, known: Mapping[tuple[int, int], str]) -> str:
    pseudonym = join_user_key(*crowd.key).hex()
    return f"customer {known[crowd.key]!r} ({pseudonym})" if crowd.key in known else f"customer {pseudonym}"


def _existing(path: Path) -> Path:
    return next(parent for parent in (path, *path.absolute().parents) if parent.exists())


CHECKS: Final[dict[str, Check]] = {
    "object store": _object_store,
    "conditional put": _conditional_put,
    "clock": _clock,
    "refused rows": _refused,
    "time zone": _time_zone,
    "secrets": _secrets,
    "pseudonym key": _pseudonym_key,
    "cache": _cache,
    "store": _store,
    "serving": _serving,
    "versions": _versions,
    "uploads": _waiting,
    "erasures": _erasures,
    "runs": _runs,
    "customers": _customers,
}
_NEEDED: Final = frozenset({"object store"})
