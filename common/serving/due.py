"""What a person is likely to buy again: a score for each item of the history."""

from __future__ import annotations

import numpy as np

from common.schemas import due
from common.schemas.data import F32
from common.schemas.documents import DueSettings
from common.serving.people import Person


def due_scores(person: Person, settings: DueSettings, today: int | None) -> F32:
    """(h,) float32: how due each item of the person's history is on the day `today`, 0 for what is not due at all.

    Without a day, and in layers from before days were stored, by how often and how lately it was bought."""
    if person.due is None:
        return np.maximum(person.repeats, np.finfo(np.float32).tiny)
    columns = person.due.columns()
    if today is None:
        return np.exp(columns.again.astype(np.float32))
    return due.due_scores(*columns, settings, today)
