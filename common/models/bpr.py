"""Bayesian personalised ranking: Rendle et al. (2009), by the library `implicit`.

The library draws what a person has evenly and compares it with what others have, so how often or how recently somebody
bought an item counts only in the history that a query is made from.
"""

from __future__ import annotations

from typing import Any, ClassVar, cast

import numpy as np
from implicit.cpu.bpr import BayesianPersonalizedRanking
from implicit.recommender_base import ModelFitError
from pydantic import Field
from threadpoolctl import threadpool_limits

from common.errors import RefusedError
from common.models.artifact import Artifact
from common.models.base import Capabilities, FitOptions, Model, ModelConfig, TrainingData
from common.models.history_map import QuerySource, fit_history_map
from common.models.matrix import user_items
from common.models.space import WEIGHTING, Categorical, Float, Int, Space, Width
from common.schemas.data import F32, Weighting


class BPRConfig(ModelConfig):
    """Measured as `ALSConfig` was, NDCG@10 of all and of new purchases on the gift shop: people by their history
    .231/.065, by the library's factors .199/.061. The history is better at every learning rate from 0.01 to 0.1,
    because it knows what was bought often, and it takes in what is bought during the day.

    The library draws negatives by popularity, so it learns how much more a person likes an item than people do, and not
    how likely they are to take it; `popularity` · ln(people who have it) is put back into the item's bias. On the gift
    shop that makes .246/.079 of .230/.066, on Amazon electronics NDCG@20 .072 of .043 (held out of train).

    At a constant learning rate the factors keep the noise of the last steps: with 256 on gowalla (held out of train)
    NDCG@20 ends at .095, and at .102 where the rate falls.
    """

    factors: int = Field(64, ge=1, le=2048)
    learning_rate: float = Field(0.01, gt=0)
    linear_decay: bool = Field(False, description="The learning rate falls along a line, towards 0 at the end.")
    regularization: float = Field(0.01, ge=0)
    iterations: int = Field(100, ge=1)
    popularity: float = Field(0.5, ge=0, le=1)
    people: QuerySource = QuerySource.HISTORY
    weighting: Weighting = Weighting(half_life_days=28)


class BPR(Model):
    """Not deterministic: the library's threads write the factors without locks."""

    family: ClassVar[str] = "bpr"
    capabilities: ClassVar[Capabilities] = Capabilities(
        sessions=True, new_items=False, incremental=True, deterministic=False
    )
    Config: ClassVar[type[ModelConfig]] = BPRConfig
    search_space: ClassVar[Space] = {
        **WEIGHTING,
        "popularity": Float(0.0, 1.0),
        "people": Categorical(tuple(QuerySource)),
        "factors": Width((32, 64, 128, 256)),
        "learning_rate": Float(1e-3, 0.2, log=True),
        "linear_decay": Categorical((False, True)),
        "regularization": Float(1e-5, 0.1, log=True),
        "iterations": Int(50, 500, log=True),
    }

    def fit(self, data: TrainingData, options: FitOptions) -> Artifact:
        config = cast(BPRConfig, self.config)
        matrix = user_items(data.interactions, config.weighting, options.now_s)
        matrix.refuse_full(self.family)
        with threadpool_limits(1, "blas"):
            library = _factorize(matrix.cells, config, options)
            item_vectors = _with_popularity(library.item_factors, matrix.cells, config.popularity)
            history_map = fit_history_map(matrix.cells, item_vectors, library.user_factors)
        kept = len(matrix.user_keys) if config.people is QuerySource.FACTORS else 0
        return Artifact(
            family=self.family,
            params=config.model_dump(mode="json"),
            item_ids=matrix.item_ids,
            item_vectors=item_vectors,
            user_keys=matrix.user_keys,
            user_vectors=library.user_factors[:kept],
            encoder="mapped_mean",
            encoder_arrays={"map": history_map},
        )


def _with_popularity(item_factors: F32, cells: Any, share: float) -> F32:
    """The factors with share · ln(how many have the item) added to the bias, their last column."""
    vectors = item_factors.copy()
    vectors[:, -1] += share * np.log(np.bincount(cells.indices, minlength=len(vectors)))
    return vectors


def _factorize(cells: Any, config: BPRConfig, options: FitOptions) -> Any:
    """The library's factors end in a column of its own: the item's bias, and 1 for each person."""
    library = BayesianPersonalizedRanking(
        factors=config.factors,
        learning_rate=config.learning_rate,
        regularization=config.regularization,
        iterations=config.iterations,
        num_threads=options.threads,
        random_state=options.seed,
    )

    def after(iteration: int, *_: object) -> None:
        done = iteration + 1
        if config.linear_decay:
            # The library reads it anew for every iteration.
            library.learning_rate = config.learning_rate * (1 - done / config.iterations)
        options.report(done, config.iterations)

    try:
        library.fit(cells, show_progress=False, callback=after)
    except ModelFitError as error:
        raise RefusedError(f"bpr did not converge: {error}; lower learning_rate") from error
    return library
