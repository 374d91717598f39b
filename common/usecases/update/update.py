"""The update: new batches of the store become visible in the served bundle, without training.

An update adds one delta layer. It holds the people in the batches, with their whole history and a query vector from it,
the items that are new or described differently, and the rankings. So the cost depends on the size of the batches. After
that `fold` merges layers if there are too many.

The next training, not the update, renews the vectors of items and their neighbours, and removes the items that a shop's
first catalogue does not list if that catalogue comes after the first training.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from common.bucket.commit import Proposal, commit
from common.bucket.current import Snapshot
from common.errors import NotReady
from common.schemas.data import LayerContent
from common.schemas.documents import Bundle, RunRecord, ServingDocument, StoreDocument
from common.serving.items import Items
from common.serving.layer import open_layer
from common.usecases.publish.build_layer import make_layer, one_blas_thread
from common.usecases.publish.fold import fold_layers
from common.usecases.publish.layers.delta import delta_content, read_news
from common.usecases.publish.versions import NewLayer, delete_abandoned_layers, layer_ids, next_update
from common.usecases.shared.context import Context
from common.usecases.shared.learning import open_for_learning, pair_rule
from common.usecases.shared.runs import RunLog, start_run
from common.usecases.shared.workspace import workspace


def update(ctx: Context) -> RunRecord:
    """Runs an update and returns its record. The run is `done` also if there is nothing new or nothing served yet."""
    with start_run(ctx, "update") as log:
        try:
            bundle = bring_up_to_date(ctx, log)
        except NotReady as error:
            return log.finish(notices=[error.message])
        return log.finish(details={"bundle_id": bundle.bundle_id, "layers": len(bundle.layers)})


def bring_up_to_date(ctx: Context, log: RunLog) -> Bundle:
    """Publishes all batches of the store that are not served yet, and returns the served bundle.

    Raises `NotReady` if no bundle has been published yet.
    """
    with workspace(ctx) as work:
        step = _Step(ctx, log, work)
        document = commit(ctx.serving_file, step.change, now=ctx.now)
        assert document is not None  # `change` raises if there is none
        delete_abandoned_layers(ctx, step.layers, layer_ids(document.bundle))
    return fold_layers(ctx, log, document.bundle)


@dataclass
class _Step:
    """The change of the serving document to a version that covers the store; repeated after each conflict.

    The store is read after the serving document. If an erasure removes people from the store in between, it replaces
    the serving document as well, so that a version with these people loses its commit.
    """

    ctx: Context
    log: RunLog
    work: Path
    layers: list[NewLayer] = field(default_factory=list)

    def change(self, snapshot: Snapshot[ServingDocument]) -> Proposal | None:
        served = snapshot.document
        if served is None:
            raise NotReady("nothing is published yet; train publishes all that is stored")
        stored = self.ctx.store_file.read().document
        if stored is None or stored.seq <= served.bundle.covers_seq:
            return None
        bundle = served.bundle
        content = self._content(stored, bundle)
        layer = make_layer(self.ctx, content, "delta", stored.seq, self.work / f"layer-{len(self.layers)}")
        self.layers.append(layer)
        self.log.step("publishing")
        return next_update(served, bundle.layers, layer, self.ctx.now())

    def _content(self, stored: StoreDocument, served: Bundle) -> LayerContent:
        self.log.step("reading")
        items = Items(tuple(open_layer(ref, self.ctx.path_of) for ref in served.layers))
        work = self.work / f"store-{len(self.layers)}"
        work.mkdir(exist_ok=True)
        with open_for_learning(self.ctx, stored, work) as reader:
            news = read_news(
                reader,
                items,
                popular_days=served.model.popular_days,
                since_seq=served.covers_seq,
                base_seq=served.layers[0].covers_seq,
                has_catalogue=any(segment.items for segment in stored.segments),
                guests=self.ctx.settings.guest_orders_count,
            )
        self.log.step("computing")
        self.log.note(counts={"items": len(news.catalogue), "users": news.people.n_users})
        with one_blas_thread():
            settings = self.ctx.settings
            return delta_content(items, served.model, news, pair_rule(settings), settings.n_threads, served.beside)
