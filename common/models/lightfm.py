"""LightFM: factorisation of people and of item features (Kula 2015), by the library `lightfm`, with the WARP loss.

An item's vector is the sum of its features' vectors, so an item without any purchase has one too.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from pydantic import Field
from scipy.sparse import coo_matrix
from threadpoolctl import threadpool_limits

from common.errors import RefusedError
from common.models.artifact import Artifact
from common.models.base import Capabilities, FitOptions, LearnsFrom, Model, ModelConfig, TrainingData
from common.models.history_map import QuerySource, fit_history_map
from common.models.item_features import item_features
from common.models.matrix import user_items
from common.models.space import WEIGHTING, Categorical, Float, Int, Space, Width
from common.schemas.data import F32, Weighting


class LightFMConfig(ModelConfig):
    """Hyperparameters of LightFM.

    Known people's query vectors come from their history: NDCG@10 .260 of all purchases at a gift shop, .238 by the
    library's own vectors (docs/measurements-models.md).
    """

    factors: int = Field(64, ge=1, le=2048)
    learning_rate: float = Field(0.05, gt=0)
    item_alpha: float = Field(0.0, ge=0, description="L2 penalty of the features' vectors.")
    user_alpha: float = Field(0.0, ge=0, description="L2 penalty of the people's vectors.")
    max_sampled: int = Field(10, ge=1, description="Negatives that WARP tries before it gives up.")
    epochs: int = Field(20, ge=1)
    people: QuerySource = QuerySource.HISTORY
    weighting: Weighting = Weighting(half_life_days=28)


class LightFM(Model[LightFMConfig]):
    """LightFM. Not deterministic, because the library's threads write the vectors without locks."""

    family: ClassVar[str] = "lightfm"
    capabilities: ClassVar[Capabilities] = Capabilities(
        sessions=True,
        new_items=True,
        incremental=True,
        deterministic=False,
        learns_from=(LearnsFrom.PURCHASES, LearnsFrom.CATALOGUE),
        fit_s=126.5,
    )
    Config = LightFMConfig
    search_space: ClassVar[Space] = {
        **WEIGHTING,
        "factors": Width((32, 64, 128, 256)),
        "learning_rate": Float(5e-3, 0.2, log=True),
        "item_alpha": Categorical((0.0, 1e-7, 1e-6, 1e-5, 1e-4)),
        "user_alpha": Categorical((0.0, 1e-7, 1e-6, 1e-5, 1e-4)),
        "max_sampled": Int(5, 50, log=True),
        "epochs": Int(10, 100, log=True),
        "people": Categorical(tuple(QuerySource)),
    }

    def fit(self, data: TrainingData, options: FitOptions) -> Artifact:
        config = self.config
        matrix = user_items(data.interactions, config.weighting, options.now_s)
        matrix.refuse_full(self.family)
        features = item_features(matrix.item_ids, data.catalogue)
        with threadpool_limits(1, "blas"):
            library = _learn(matrix.cells, features.trained, config, options)
            trained, new = (_vectors(library, rows) for rows in (features.trained, features.new))
            user_vectors = _with_ones(library.user_embeddings)
            history_map = fit_history_map(matrix.cells, trained, user_vectors)
        item_ids = (*matrix.item_ids, *features.new_ids)
        order = sorted(range(len(item_ids)), key=item_ids.__getitem__)
        kept = len(user_vectors) if config.people is QuerySource.FACTORS else 0
        return Artifact(
            family=self.family,
            params=config.model_dump(mode="json"),
            item_ids=tuple(item_ids[row] for row in order),
            item_vectors=np.concatenate([trained, new])[order],
            user_keys=matrix.user_keys,
            user_vectors=user_vectors[:kept],
            encoder="mapped_mean",
            encoder_arrays={"map": history_map},
        )


def _learn(cells: Any, features: Any, config: LightFMConfig, options: FitOptions) -> Any:
    # Importing the library takes a second, so only a fit of this family does it.
    from lightfm import LightFM as Library

    library = Library(
        no_components=config.factors,
        learning_rate=config.learning_rate,
        loss="warp",
        item_alpha=config.item_alpha,
        user_alpha=config.user_alpha,
        max_sampled=config.max_sampled,
        random_state=options.seed,
    )
    weights = coo_matrix(cells)
    # A mean of 1 keeps the learning rate's meaning whatever the weighting is.
    weights.data /= weights.data.mean()
    likes = coo_matrix((np.ones_like(weights.data), (weights.row, weights.col)), shape=weights.shape)
    try:
        for epoch in range(config.epochs):
            library.fit_partial(likes, item_features=features, sample_weight=weights, num_threads=options.threads)
            options.report(epoch + 1, config.epochs)
    except ValueError as error:
        raise RefusedError(f"lightfm did not converge: {error}; lower learning_rate") from error
    return library


def _vectors(library: Any, features: Any) -> F32:
    """(n_items, factors + 1) float32: the sums of the features' vectors and of their biases."""
    return np.column_stack([features @ library.item_embeddings, features @ library.item_biases]).astype(np.float32)


def _with_ones(user_embeddings: F32) -> F32:
    return np.column_stack([user_embeddings, np.ones(len(user_embeddings), dtype=np.float32)])
