"""Opening what is served, while an erasure may replace it and delete its files."""

from __future__ import annotations

from common.errors import CorruptError
from common.schemas.documents import Bundle
from common.serving.bundle import ServedBundle, open_bundle
from common.usecases.shared.context import Context


def open_or_newer(ctx: Context, bundle: Bundle) -> ServedBundle:
    """`bundle`, or what is served in its place where files of it are gone. Raises `CorruptError` where nothing is."""
    try:
        return open_bundle(bundle, ctx.path_of)
    except CorruptError:
        served = ctx.serving_file.read().document
        if served is None or served.bundle == bundle:
            raise
        return open_bundle(served.bundle, ctx.path_of)
