"""Building of a layer: content, files, precomputed answers."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

from threadpoolctl import threadpool_limits

from common.ids import new_id
from common.schemas.data import LayerContent
from common.schemas.documents import Bundle, LayerRef
from common.serving.bundle import open_bundle, write_layer
from common.serving.encoders import IMPERSONAL
from common.serving.precomputed import write_precomputed
from common.usecases.publish.versions import NewLayer, with_files
from common.usecases.shared.context import Context


def one_blas_thread() -> AbstractContextManager[object]:
    """Limits BLAS to one thread while a layer's content is made.

    With BLAS threads beside our own, thousands of small products wait for each other, which takes a hundred times as
    long on a busy machine.
    """
    limits: AbstractContextManager[object] = threadpool_limits(1, "blas")
    return limits


def with_precomputed_answers(ctx: Context, bundle: Bundle, base: NewLayer, directory: Path) -> NewLayer:
    """The one layer of `bundle` with precomputed answers of its people.

    Unchanged where the model ranks the same for everybody, or there are more people than the setting allows.
    """
    if base.ref.n_users > ctx.settings.people_ahead or bundle.model.encoder in IMPERSONAL:
        return base
    served = open_bundle(bundle, ctx.path_of)
    more = with_files(ctx, base.ref, write_precomputed(served, directory))
    return NewLayer(more.ref, (*base.files, *more.files))


def make_layer(
    ctx: Context, content: LayerContent, kind: Literal["base", "delta"], covers_seq: int, directory: Path
) -> NewLayer:
    """Writes the layer into `directory`; `covers_seq` is the newest batch of the store that it contains."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = write_layer(content, kind, directory, ctx.settings.n_threads)
    layer = LayerRef(
        layer_id=new_id(ctx.now()),
        kind=kind,
        covers_seq=covers_seq,
        n_items=len(content.item_nos),
        n_users=len(content.users.keys),
        files={},
    )
    return with_files(ctx, layer, paths)
