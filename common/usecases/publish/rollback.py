"""Rollback: an earlier model is served again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import NamedTuple

from common.bucket.commit import Proposal, commit
from common.bucket.current import Snapshot
from common.errors import NotFound, NotReady, RefusedError
from common.ids import new_id
from common.schemas.documents import Bundle, BundleRef, ServingDocument
from common.usecases.publish.versions import next_version
from common.usecases.shared.context import Context
from common.usecases.shared.manifests import read_history, read_manifest, require_current
from common.usecases.shared.runs import RunLog, start_run


class RolledBack(NamedTuple):
    """What is served now, and notices for the operator."""

    bundle: Bundle
    notices: tuple[str, ...]


def rollback(ctx: Context, bring_up_to_date: Callable[[Context, RunLog], Bundle], to: str | None = None) -> RolledBack:
    """Serves an earlier model again: bundle `to` of the history, or else the newest one trained before the served one.

    Without `to`, a version whose manifest is damaged or whose files are gone is passed over with a notice.
    `bring_up_to_date` adds the batches that the earlier version does not cover; it is in a room that imports this one,
    so callers pass it in.

    Raises `NotReady` where nothing is published, `NotFound` for a bundle that is not in the history, `CorruptError`
    where `to` names a damaged one, `RefusedError` where its files are gone or no earlier one can be served.
    """
    with start_run(ctx, "rollback") as log:
        step = _Step(ctx, to)
        try:
            commit(ctx.serving_file, step.change, now=ctx.now)
        finally:
            log.note(notices=step.passed_over)
        bundle = bring_up_to_date(ctx, log)
        record = log.finish(details={"bundle_id": bundle.bundle_id, "family": bundle.model.family})
    return RolledBack(bundle, record.notices)


@dataclass
class _Step:
    """From what is served to an earlier model; tried again after each conflict. `passed_over` is of the last try."""

    ctx: Context
    to: str | None
    passed_over: list[str] = field(default_factory=list)

    def change(self, snapshot: Snapshot[ServingDocument]) -> Proposal:
        self.passed_over.clear()
        document = snapshot.document
        if document is None:
            raise NotReady("nothing is published yet, so there is nothing to go back to")
        ref, target = self._previous(document) if self.to is None else self._named(document, self.to)
        now = self.ctx.now()
        bundle = target.model_copy(update={"bundle_id": new_id(now), "created_at": now, "created_by": "rollback"})
        others = tuple(other for other in document.history if other != ref)
        return next_version(self.ctx, document.model_copy(update={"history": others}), bundle, ())

    def _named(self, document: ServingDocument, bundle_id: str) -> tuple[BundleRef, Bundle]:
        ref = next((ref for ref in document.history if ref.bundle_id == bundle_id), None)
        if ref is None:
            known = ", ".join(ref.bundle_id for ref in document.history) or "none"
            raise NotFound(f"bundle {bundle_id} is not in the history, which lists {known}")
        bundle = read_manifest(self.ctx, ref)
        problem = _files_gone(self.ctx, bundle)
        if problem:
            require_current(self.ctx, document)
            raise RefusedError(f"bundle {bundle_id} cannot be served again: {problem}")
        return ref, bundle

    def _previous(self, document: ServingDocument) -> tuple[BundleRef, Bundle]:
        """The newest that was trained before what is served, of those that can be served."""
        for ref, bundle in self._earlier(document):
            problem = _files_gone(self.ctx, bundle)
            if not problem:
                return ref, bundle
            require_current(self.ctx, document)
            self._pass_over(ref, problem)
        said = "".join(f"; {notice}" for notice in self.passed_over)
        raise RefusedError(f"the history lists no model to go back to that was trained before what is served{said}")

    def _earlier(self, document: ServingDocument) -> Iterator[tuple[BundleRef, Bundle]]:
        """The readable versions that were trained before what is served, newest first."""
        history = read_history(self.ctx, document)
        for damaged in history.damaged:
            self._pass_over(damaged.ref, damaged.problem)
        served = document.bundle.model.trained_at
        earlier = [(ref, bundle) for ref, bundle in history.readable if bundle.model.trained_at < served]
        yield from sorted(earlier, key=lambda pair: pair[1].model.trained_at, reverse=True)

    def _pass_over(self, ref: BundleRef, problem: str) -> None:
        self.passed_over.append(f"bundle {ref.bundle_id} was passed over: {problem}")


def _files_gone(ctx: Context, bundle: Bundle) -> str | None:
    """Says so where files of the bundle are not in the bucket; None where all are."""
    refs = {ref.key for layer in bundle.layers for ref in layer.files.values()}
    missing = sorted(key for key in refs if ctx.bucket.head(key) is None)
    return f"{len(missing)} of its {len(refs)} files are gone, {missing[0]} among them" if missing else None
