"""The documents of an erasure: what is asked for, until it is done, and what was done."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ErasureRequest(_Part):
    """`erasures/requests/….json`: `people` are pseudonyms as hex digits. It is deleted once the erasure is done."""

    format_version: Literal[1] = 1
    requested_at: datetime
    people: tuple[Annotated[str, Field(pattern="^[0-9a-f]{32}$")], ...]


class ErasureReceipt(_Part):
    """`erasures/receipts/<id>.json`: what one erasure did. It holds neither a user id nor a pseudonym, and is kept.

    `until`: events up to then are gone and stay out. `counts` are of people, events, files and versions; a step that an
    earlier call had carried out before it was interrupted counts nothing. `store_commit` and `bundle_id` name the
    versions that are without these people; None where there is none. `documents` are the keys that were replaced.
    """

    format_version: Literal[1] = 1
    receipt_id: str
    requested_at: datetime
    until: datetime
    finished_at: datetime
    counts: dict[str, int]
    timings_s: dict[str, float]
    store_commit: str
    bundle_id: str | None
    documents: tuple[str, ...]
