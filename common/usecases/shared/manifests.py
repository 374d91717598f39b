"""The manifests of earlier versions, to which `rollback` can return."""

from __future__ import annotations

import logging
from dataclasses import dataclass

from pydantic import ValidationError

from common import logs
from common.errors import CorruptError
from common.schemas.documents import Bundle, BundleRef, ServingDocument
from common.usecases.shared.context import Context

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class History:
    """The earlier versions that the serving document lists, oldest first.

    The manifest of a `damaged` version is missing or unreadable, so `rollback` cannot return to it."""

    readable: tuple[tuple[BundleRef, Bundle], ...]
    damaged: tuple[BundleRef, ...]


def read_history(ctx: Context, document: ServingDocument) -> History:
    """Reads every manifest of the history. A damaged one is logged, and the others are read all the same."""
    readable, damaged = [], []
    for ref in document.history:
        try:
            readable.append((ref, read_manifest(ctx, ref)))
        except CorruptError as error:
            logs.event(log, logging.WARNING, "version of the history is damaged", key=ref.key, error=error.message)
            damaged.append(ref)
    return History(tuple(readable), tuple(damaged))


def read_manifest(ctx: Context, ref: BundleRef) -> Bundle:
    """Returns the version's bundle. Raises `CorruptError` if the manifest is missing or has another format."""
    blob = ctx.bucket.get(ref.key)
    if blob is None:
        raise CorruptError(f"{ref.key}, which the history lists, is not in the bucket", key=ref.key)
    try:
        return Bundle.model_validate_json(blob.data)
    except ValidationError as error:
        raise CorruptError(f"{ref.key} is no manifest of this version: {error}", key=ref.key) from None
