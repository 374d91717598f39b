"""Popular: the items that most different people took in the last weeks.

It is the fallback for unknown people, and the floor that a better model must pass.
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field

from common.errors import RefusedError
from common.models.artifact import Artifact
from common.models.base import Capabilities, FitOptions, LearnsFrom, Model, ModelConfig, TrainingData
from common.models.popularity import WINDOW_DAYS, popularity


class PopularConfig(ModelConfig):
    """Hyperparameters of popular: the window, and the weights of the types of events. A half-life has no effect."""

    window_days: float = Field(WINDOW_DAYS, gt=0)


class Popular(Model[PopularConfig]):
    """Popular; the item vectors are the scores of `popularity`, and the query vector is 1 for everybody."""

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
        config = self.config
        scores = popularity(data.interactions, options.now_s, config.window_days, config.weighting)
        liked = np.flatnonzero(scores > 0)
        if len(liked) == 0:
            raise RefusedError(f"nothing is popular: of {len(scores)} items, none has more than returns or weight 0")
        options.report(1, 1)
        return Artifact(
            family=self.family,
            params=config.model_dump(mode="json"),
            item_ids=tuple(data.interactions.item_ids[item] for item in liked),
            item_vectors=scores[liked, None].astype(np.float32),
            user_keys=np.empty((0, 2), dtype=np.uint64),
            user_vectors=np.empty((0, 1), dtype=np.float32),
            encoder="constant",
        )
