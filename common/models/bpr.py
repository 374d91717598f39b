"""BPR: Bayesian personalised ranking (Rendle et al. 2009), by the library `implicit`.

The library draws each of a person's items with equal probability and compares it with items of other people. So how
often and how recently an item was bought counts only in the history from which a query vector is made.
"""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np
from implicit.cpu.bpr import BayesianPersonalizedRanking
from implicit.recommender_base import ModelFitError
from pydantic import Field
from threadpoolctl import threadpool_limits

from common.errors import RefusedError
from common.models.artifact import Artifact
from common.models.base import Capabilities, FitOptions, LearnsFrom, Model, ModelConfig, TrainingData
from common.models.history_map import QuerySource, fit_history_map
from common.models.matrix import user_items
from common.models.space import WEIGHTING, Categorical, Float, Int, Space, Width
from common.schemas.data import F32, Weighting


class BPRConfig(ModelConfig):
    """Hyperparameters of BPR.

    `people` is where the query vectors of known people come from. The history is the default: it counts how often an
    item was bought, takes in the day's purchases, and was better at every learning rate tried.

    The library draws negatives by popularity, so it learns how much more a person likes an item than others do, not how
    likely a purchase is. So `popularity` · ln(people who have the item) is added to the item's bias.

    `linear_decay` removes the noise that a constant learning rate leaves in the factors. NDCG@10 .231 by history and
    .199 by the library's factors; the other figures are in docs/measurements-models.md.
    """

    factors: int = Field(64, ge=1, le=2048)
    learning_rate: float = Field(0.01, gt=0)
    linear_decay: bool = Field(False, description="The learning rate falls linearly, towards 0 at the end.")
    regularization: float = Field(0.01, ge=0)
    iterations: int = Field(100, ge=1)
    popularity: float = Field(0.5, ge=0, le=1)
    people: QuerySource = QuerySource.HISTORY
    weighting: Weighting = Weighting(half_life_days=28)


class BPR(Model[BPRConfig]):
    """BPR. Not deterministic, because the library's threads write the factors without locks."""

    family: ClassVar[str] = "bpr"
    capabilities: ClassVar[Capabilities] = Capabilities(
        sessions=True,
        new_items=False,
        incremental=True,
        deterministic=False,
        learns_from=(LearnsFrom.PURCHASES,),
        fit_s=58.0,
    )
    Config = BPRConfig
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
        config = self.config
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
    """The factors with share · ln(number of people who have the item) added to the bias, which is the last column."""
    vectors = item_factors.copy()
    vectors[:, -1] += share * np.log(np.bincount(cells.indices, minlength=len(vectors)))
    return vectors


def _factorize(cells: Any, config: BPRConfig, options: FitOptions) -> Any:
    """The fitted library model; the last column of its factors is the item's bias, and 1 for each person."""
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
            # The library reads the rate again in every iteration.
            library.learning_rate = config.learning_rate * (1 - done / config.iterations)
        options.report(done, config.iterations)

    try:
        library.fit(cells, show_progress=False, callback=after)
    except ModelFitError as error:
        raise RefusedError(f"bpr did not converge: {error}; lower learning_rate") from error
    return library
