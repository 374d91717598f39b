"""Rollback: an earlier model is served again."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from common.bucket.commit import Proposal, commit
from common.errors import NotFound, NotReady, RefusedError
from common.ids import new_id
from common.schemas.documents import Bundle, BundleRef, ServingDocument
from common.usecases.publish.versions import next_version
from common.usecases.shared.context import Context
from common.usecases.shared.manifests import read_history, read_manifest
from common.usecases.shared.runs import RunLog, start_run


class RolledBack(NamedTuple):
    """What is served now, and notices for the operator."""

    bundle: Bundle
    notices: tuple[str, ...]


def rollback(ctx: Context, bring_up_to_date: Callable[[Context, RunLog], Bundle], to: str | None = None) -> RolledBack:
    """Serves an earlier model again: bundle `to` of the history, or else the newest one trained before the served one.

    A version whose manifest is damaged is passed over with a notice. `bring_up_to_date` adds the batches that the
    earlier version does not cover; it belongs to a room above this one, so callers hand it in.

    Raises `NotReady` where nothing is published, `NotFound` for a bundle that is not in the history, `CorruptError`
    where `to` names a damaged one, `RefusedError` where there is no earlier one or its files are gone.
    """
    with start_run(ctx, "rollback") as log:
        commit(ctx.serving_file, lambda snapshot: _point_back(ctx, snapshot.document, to, log), now=ctx.now)
        bundle = bring_up_to_date(ctx, log)
        record = log.finish(details={"bundle_id": bundle.bundle_id, "family": bundle.model.family})
    return RolledBack(bundle, tuple(dict.fromkeys(record.notices)))


def _point_back(ctx: Context, document: ServingDocument | None, to: str | None, log: RunLog) -> Proposal:
    if document is None:
        raise NotReady("nothing is published yet, so there is nothing to go back to")
    ref, target = _named(ctx, document, to) if to is not None else _previous(ctx, document, log)
    _require_files(ctx, target)
    now = ctx.now()
    bundle = target.model_copy(update={"bundle_id": new_id(now), "created_at": now, "created_by": "rollback"})
    others = tuple(other for other in document.history if other != ref)
    return next_version(ctx, document.model_copy(update={"history": others}), bundle, ())


def _named(ctx: Context, document: ServingDocument, bundle_id: str) -> tuple[BundleRef, Bundle]:
    for ref in document.history:
        if ref.bundle_id == bundle_id:
            return ref, read_manifest(ctx, ref)
    known = ", ".join(ref.bundle_id for ref in document.history) or "none"
    raise NotFound(f"bundle {bundle_id} is not in the history, which lists {known}")


def _previous(ctx: Context, document: ServingDocument, log: RunLog) -> tuple[BundleRef, Bundle]:
    """The newest readable version that was trained before the one that is served."""
    history = read_history(ctx, document)
    log.note(
        notices=[
            f"bundle {ref.bundle_id} was passed over: its manifest {ref.key} is damaged or gone"
            for ref in history.damaged
        ]
    )
    served = document.bundle.model.trained_at
    earlier = [(ref, bundle) for ref, bundle in history.readable if bundle.model.trained_at < served]
    if not earlier:
        damaged = f"; {len(history.damaged)} of the history are damaged" if history.damaged else ""
        raise RefusedError(f"the history lists no model that was trained before the one that is served{damaged}")
    return max(earlier, key=lambda pair: pair[1].model.trained_at)


def _require_files(ctx: Context, bundle: Bundle) -> None:
    refs = {ref.key for layer in bundle.layers for ref in layer.files.values()}
    missing = sorted(key for key in refs if ctx.bucket.head(key) is None)
    if missing:
        raise RefusedError(
            f"bundle {bundle.bundle_id} cannot be served again: {len(missing)} of its {len(refs)} files are gone, "
            f"{missing[0]} among them"
        )
