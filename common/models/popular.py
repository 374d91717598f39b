"""Popular: the items that are bought most, newer events counting more.

It is the fallback for unknown people, and the floor that a better model must pass.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np

from common.errors import RefusedError
from common.models.artifact import Artifact
from common.models.base import Capabilities, FitOptions, LearnsFrom, Model, ModelConfig, TrainingData
from common.schemas.data import Interactions, Weighting


class PopularConfig(ModelConfig):
    """Hyperparameters of popular: the weights of events and their half-life."""

    weighting: Weighting = Weighting(half_life_days=28)


class Popular(Model[PopularConfig]):
    """Popular; the item vectors are the decayed counts, and the query vector is 1 for everybody."""

    family: ClassVar[str] = "popular"
    capabilities: ClassVar[Capabilities] = Capabilities(
        sessions=False,
        new_items=False,
        incremental=True,
        deterministic=True,
        learns_from=(LearnsFrom.COUNTS,),
        fit_s=0.04,
    )
    Config = PopularConfig

    def fit(self, data: TrainingData, options: FitOptions) -> Artifact:
        counts = decayed_counts(data.interactions, self.config.weighting, options.now_s)
        liked = np.flatnonzero(counts > 0)
        if len(liked) == 0:
            raise RefusedError(f"nothing is popular: of {len(counts)} items, none has more than returns or weight 0")
        options.report(1, 1)
        return Artifact(
            family=self.family,
            params=self.config.model_dump(mode="json"),
            item_ids=tuple(data.interactions.item_ids[item] for item in liked),
            item_vectors=counts[liked, None].astype(np.float32),
            user_keys=np.empty((0, 2), dtype=np.uint64),
            user_vectors=np.empty((0, 1), dtype=np.float32),
            encoder="constant",
        )


def decayed_counts(data: Interactions, weighting: Weighting, now_s: int) -> np.ndarray:
    """(n_items,) float64: the summed weights of all events, those without consent included."""
    return np.bincount(data.items, weights=weighting.weigh(data, now_s), minlength=data.n_items)
