"""Garbage collection: deletes files that no document references, and that are too old for a commit under way."""

from __future__ import annotations

from datetime import timedelta
from typing import Final, NamedTuple

from common.bucket.sweep import SHORTEST_AGE, sweep_unreferenced
from common.errors import BadRequest
from common.schemas.documents import Bundle
from common.usecases.shared.context import Context
from common.usecases.shared.manifests import DamagedVersion, read_served

MIN_AGE: Final = timedelta(days=1)
"""Age from which an unreferenced file is deleted. A younger one may belong to a commit that is under way."""

KEEP_RUNS: Final = timedelta(days=90)


class Garbage(NamedTuple):
    """The deleted keys, and notices for the operator."""

    deleted: tuple[str, ...]
    notices: tuple[str, ...] = ()


def collect_garbage(ctx: Context, min_age: timedelta = MIN_AGE) -> Garbage:
    """Deletes unreferenced files, left-over probes and counts of tries of uploads that are no more, if they are older
    than `min_age`, and run records older than `KEEP_RUNS`.

    Ages are by the object store's clock: by that of this machine, were it ahead, files of a commit under way would be
    old. Raises `BadRequest` for a `min_age` under one hour.
    """
    if min_age < SHORTEST_AGE:
        raise BadRequest("a file may belong to a commit under way: give an age of at least one hour")
    of_store = _of_store(ctx, min_age)
    of_versions, damaged = _of_versions(ctx, min_age)
    notices = tuple(
        f"nobody can go back to bundle {version.ref.bundle_id}, so its files are not kept: {version.problem}"
        for version in damaged
    )
    others = (*_runs(ctx), *_probes(ctx, min_age), *_attempts(ctx, min_age))
    return Garbage((*of_store, *of_versions, *others), notices)


def _of_store(ctx: Context, min_age: timedelta) -> list[str]:
    document = ctx.store_file.read().document
    if document is None:
        return []
    referenced = {segment.file.key for segment in document.segments}
    if document.erased:
        referenced.add(document.erased.key)
    return sweep_unreferenced(ctx.bucket, ctx.keys.store, referenced, min_age, ctx.bucket.now())


def _of_versions(ctx: Context, min_age: timedelta) -> tuple[list[str], tuple[DamagedVersion, ...]]:
    """Keeps the files and artifacts of the served version and of all versions to which `rollback` can return.

    Of a damaged version only the manifest stays, for inspection: nobody can tell which files were its own.
    """
    found = read_served(ctx)
    if found is None:
        return [], ()
    document, history = found
    bundles = [document.bundle, *(bundle for _, bundle in history.readable)]
    manifests = {ref.key for ref in document.history}
    files = {ref.key for bundle in bundles for layer in bundle.layers for ref in layer.files.values()}
    deleted = [
        *sweep_unreferenced(ctx.bucket, ctx.keys.serving, files | manifests, min_age, ctx.bucket.now()),
        *sweep_unreferenced(ctx.bucket, ctx.keys.models, _artifacts(ctx, bundles), min_age, ctx.bucket.now()),
    ]
    return deleted, history.damaged


def _artifacts(ctx: Context, bundles: list[Bundle]) -> set[str]:
    prefixes = tuple(ctx.keys.model_file(bundle.model.version, "") for bundle in bundles)
    return {info.key for info in ctx.bucket.list(ctx.keys.models) if info.key.startswith(prefixes)}


def _runs(ctx: Context) -> list[str]:
    return sweep_unreferenced(ctx.bucket, ctx.keys.runs, set(), KEEP_RUNS, ctx.bucket.now())


def _probes(ctx: Context, min_age: timedelta) -> list[str]:
    """What a proof of conditional PUT or an erasure has left that died meanwhile."""
    places = (ctx.keys.probe(""), ctx.keys.erasure_mark)
    return [key for place in places for key in sweep_unreferenced(ctx.bucket, place, set(), min_age, ctx.bucket.now())]


def _attempts(ctx: Context, min_age: timedelta) -> list[str]:
    """The counts of the tries of uploads that are no more."""
    waiting = {ctx.keys.attempts_at(info.key) for info in ctx.bucket.list(ctx.keys.incoming)}
    return sweep_unreferenced(ctx.bucket, ctx.keys.attempts, waiting, min_age, ctx.bucket.now())
