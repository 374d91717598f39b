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
class DamagedVersion:
    """A version that nobody can go back to. `problem` says why, for people: its manifest is gone or cannot be read."""

    ref: BundleRef
    problem: str


@dataclass(frozen=True)
class History:
    """The earlier versions that the serving document lists, oldest first.

    The manifest of a `damaged` version is missing or unreadable, so `rollback` cannot return to it.
    """

    readable: tuple[tuple[BundleRef, Bundle], ...]
    damaged: tuple[DamagedVersion, ...]


def read_history(ctx: Context, document: ServingDocument) -> History:
    """Reads every manifest that `document` lists. A damaged one is logged and holds up no other.

    Raises `CorruptError` where one is damaged and `document` is no longer the current one: what only an earlier
    document lists may be gone, and tells nothing about what is listed now.
    """
    readable, damaged = [], []
    for ref in document.history:
        try:
            readable.append((ref, read_manifest(ctx, ref)))
        except CorruptError as error:
            damaged.append(DamagedVersion(ref, error.message))
    if damaged:
        require_current(ctx, document)
    for version in damaged:
        logs.event(log, logging.WARNING, "version of the history is damaged", problem=version.problem)
    return History(tuple(readable), tuple(damaged))


def require_current(ctx: Context, document: ServingDocument) -> None:
    """Raises `CorruptError` where another version is served by now. A commit's change is applied again then."""
    current = ctx.serving_file.read().document
    if current is None or current.commit_id != document.commit_id:
        raise CorruptError(f"{ctx.keys.serving_current} has moved on from commit {document.commit_id}")


def read_served(ctx: Context) -> tuple[ServingDocument, History] | None:
    """What is served and its history, of one moment; None where nothing is published."""
    while (document := ctx.serving_file.read().document) is not None:
        try:
            return document, read_history(ctx, document)
        except CorruptError:
            continue  # an erasure or a training has committed meanwhile
    return None


def read_manifest(ctx: Context, ref: BundleRef) -> Bundle:
    """Returns the version's bundle. Raises `CorruptError` if the manifest is missing or has another format."""
    blob = ctx.bucket.get(ref.key)
    if blob is None:
        raise CorruptError(f"the manifest {ref.key} is not in the bucket", key=ref.key)
    try:
        return Bundle.model_validate_json(blob.data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        field = ".".join(map(str, first["loc"]))
        reason = f"{field}: {first['msg']}" if field else first["msg"]
        raise CorruptError(f"the manifest {ref.key} cannot be read: {reason}", key=ref.key) from None
