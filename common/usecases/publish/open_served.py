"""Opening of the served bundle, while an erasure may replace it and delete its files."""

from __future__ import annotations

from common.errors import CorruptError
from common.schemas.documents import Bundle
from common.serving.bundle import ServedBundle, open_bundle
from common.usecases.shared.context import Context


def open_or_newer(ctx: Context, bundle: Bundle) -> ServedBundle:
    """`bundle`, or what is served now if its files are gone.

    Raises `CorruptError` where neither can be opened.
    """
    try:
        return open_bundle(bundle, ctx.path_of)
    except CorruptError:
        served = ctx.serving_file.read().document
        if served is None or served.bundle == bundle:
            raise
        return open_bundle(served.bundle, ctx.path_of)
