from __future__ import annotations

import numpy as np

from common.models.base import FitOptions, TrainingData
from common.models.registry import make
from common.schemas.data import DAY_S, EventType
from tests.shops import NOON, Event, interactions


def test_counts_decay_and_include_events_without_consent() -> None:
    data = interactions(
        [
            Event("a", "old", 0),
            Event("a", "new", 10),
            Event(None, "new", 10),
            Event("b", "seen", 10, EventType.VIEW),
            Event("b", "returned", 9),
            Event("b", "returned", 10, EventType.RETURN),
        ]
    )
    model = make("popular", {"weighting": {"half_life_days": 10}})
    artifact = model.fit(TrainingData(data), FitOptions(1, 1, NOON + 10 * DAY_S))
    assert artifact.item_ids == ("new", "old", "seen")
    np.testing.assert_allclose(artifact.item_vectors[:, 0], [2.0, 0.5, 0.2])
    assert artifact.encoder == "constant"
    assert len(artifact.user_vectors) == 0
