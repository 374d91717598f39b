"""The documents of an erasure: the request, which is kept until it is done, and the receipt."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ErasureRequest(_Part):
    """`erasures/requests/….json`: a request, which is deleted once the erasure is done.

    `people` are pseudonyms as hex digits."""

    format_version: Literal[1] = 1
    requested_at: datetime
    people: tuple[Annotated[str, Field(pattern="^[0-9a-f]{32}$")], ...]


class ErasureReceipt(_Part):
    """`erasures/receipts/<id>.json`: the record of one erasure, which is kept. It holds no user id and no pseudonym.

    Events up to `until` were deleted and stay out. `counts` are numbers of people, events, files and versions; a step
    that an earlier, interrupted call had done is not counted. `store_commit` and `bundle_id` name the first versions
    without these people; `bundle_id` is None if nothing is served. `documents` are the keys that were replaced.
    `request` is the key of the request; None for an upload under `incoming/erasures/`.
    """

    format_version: Literal[1] = 1
    receipt_id: str
    request: str | None = None
    requested_at: datetime
    until: datetime
    finished_at: datetime
    counts: dict[str, int]
    timings_s: dict[str, float]
    store_commit: str
    bundle_id: str | None
    documents: tuple[str, ...]
