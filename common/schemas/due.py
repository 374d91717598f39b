"""How due an item is that a person has bought: what training chooses settings for is what serving applies.

A score is a product: how surely the item is bought again at all, which does not depend on the day and is stored as
`again`, times how due it is today. An item is due when a part of its usual gap has passed, and lapsed when more than
the whole gap has.

Sources: Bhagat et al. 2018 ("Buy It Again") rank by a rate of purchases that is shrunk to the item's, and lower what
was bought just now; Benson et al. 2016 ("Modeling User Consumption Sequences") describe repeats by the time since the
last one; Li et al. 2023 ("A Next Basket Recommendation Reality Check") judge repeats apart from what is new.
"""

from __future__ import annotations

import math
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from common.schemas.data import DAY_S, F32
from common.schemas.documents import DueSettings

READY: Final = 0.25
"""The part of the usual gap after which an item is due. At a grocer an item is bought again as often a quarter of its
gap after the last time as a whole gap after it, and less often before (docs/measurements-models.md)."""

FAR: Final = 3.0
"""Natural logarithm of how far from due counts: what is twenty gaps late ranks as what is a hundred late. So a shop
whose data end long ago is ranked by its people's own purchases."""

BOUND: Final = 60.0
"""The most that `again` may be from 0: half precision is fine enough there, and no score of it is 0 or infinite."""

Numbers = npt.NDArray[Any]


def day_of(epoch_s: float) -> int:
    """The day since 1970, in UTC. Answers that depend on it are right until the day ends."""
    return int(epoch_s // DAY_S)


def due_scores(again: Numbers, last_days: Numbers, gaps: Numbers, settings: DueSettings, today: int) -> F32:
    """(m,) float32: how due items are on the day `today`, 0 for what was bought on it or later.

    again: (m,) float16, natural logarithms of how surely items are bought again
    last_days: (m,) uint16, days of the last purchases since 1970, 0 where they are not known
    gaps: (m,) float16 ≥ 1, days that usually pass
    """
    since = today - last_days.astype(np.int64)
    passed = np.log(np.maximum(since, 1) / np.maximum(gaps.astype(np.float64), 1))
    early = np.clip(passed - math.log(READY), -FAR, 0)
    late = np.clip(passed, 0, FAR)
    known = last_days > 0
    scores = np.exp(again + np.where(known, settings.early * early - settings.late * late, 0))
    return np.where(known & (since <= 0), 0, scores).astype(np.float32)
