"""Folding: many delta layers become one, so that a search does not have to look into ever more of them.

It comes after an update's own commit, so nobody waits for it; if the process dies in between, the next update folds.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from common.bucket.commit import Proposal, commit
from common.bucket.current import Snapshot
from common.schemas.documents import Bundle, ServingDocument
from common.serving.items import Items
from common.serving.layer import open_layer
from common.usecases.bundles import make_layer
from common.usecases.context import Context
from common.usecases.layers.fold import fold_content
from common.usecases.runs import RunLog
from common.usecases.versions import NewLayer, delete_abandoned_layers, layer_ids, next_update
from common.usecases.workspace import workspace


def fold_layers(ctx: Context, log: RunLog, bundle: Bundle) -> Bundle:
    """Folds the deltas of what is served, if it has more than `max_layers`; `bundle` is what was served last, as far as
    is known. Returns what is served afterwards."""
    if not _has_too_many(ctx, bundle):
        return bundle
    log.step("folding")
    with workspace(ctx) as work:
        fold = _Fold(ctx, work)
        document = commit(ctx.serving_file, fold.change, now=ctx.now)
        assert document is not None  # what was published once stays published
        delete_abandoned_layers(ctx, fold.made, layer_ids(document.bundle))
    return document.bundle


def _has_too_many(ctx: Context, bundle: Bundle) -> bool:
    return len(bundle.layers) - 1 > ctx.settings.max_layers


@dataclass
class _Fold:
    """Looks at nothing but the version that it folds: whoever an erasure takes out meanwhile is taken out of a later
    version, and the fold is made again of that one."""

    ctx: Context
    work: Path
    made: list[NewLayer] = field(default_factory=list)

    def change(self, snapshot: Snapshot[ServingDocument]) -> Proposal | None:
        served = snapshot.document
        if served is None or not _has_too_many(self.ctx, served.bundle):
            return None
        bundle = served.bundle
        content = fold_content(Items(tuple(open_layer(ref, self.ctx.path_of) for ref in bundle.layers)))
        layer = make_layer(self.ctx, content, "delta", bundle.covers_seq, self.work / f"layer-{len(self.made)}")
        self.made.append(layer)
        return next_update(served, bundle.layers[:1], layer, self.ctx.now())
