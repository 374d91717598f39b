"""ALS: alternating least squares on implicit feedback (Hu, Koren and Volinsky 2008), by the library `implicit`."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Self

import numpy as np
from implicit.cpu.als import AlternatingLeastSquares
from implicit.recommender_base import ModelFitError
from pydantic import Field
from threadpoolctl import threadpool_limits

from common.errors import RefusedError
from common.models.artifact import Artifact
from common.models.base import Capabilities, FitOptions, LearnsFrom, Model, ModelConfig, TrainingData
from common.models.matrix import user_items
from common.models.shape import DataShape
from common.models.space import WEIGHTING, Float, Space, Width
from common.schemas.data import F32, Weighting

LEAST_SCORE: Final = 0.01
"""Highest score below which a fit is refused as empty; a liked item should score about 1."""

MOST_REGULARIZATION: Final = 1 / 3000
"""Regularization for each event and unit of alpha above which a small shop's factors would shrink to nothing: the
defaults are reached at 30,000 events."""

PEOPLE_CG_STEPS: Final = 10
"""Conjugate gradient steps in the last update of the user factors: enough for the same first ten items as the exact
solution (docs/measurements-models.md), in less time than the library's direct solver takes."""


class ALSConfig(ModelConfig):
    """Hyperparameters of ALS.

    `alpha` is the confidence in an event of weight 1; a cell without events has confidence 1. Weights are summed over a
    person's events, so items that are bought again and again get a high confidence, and a low alpha is enough.

    The defaults are those that a grocer and a gift shop agree on, with repeat purchases treated as served: NDCG@10 of
    new purchases .054 and .146, where 64 factors with a regularization of 1 reach .045 and .137 (docs/models.md).
    """

    factors: int = Field(128, ge=1, le=2048)
    regularization: float = Field(30.0, gt=0)
    alpha: float = Field(3.0, gt=0)
    iterations: int = Field(15, ge=2)
    weighting: Weighting = Weighting(half_life_days=28)


class ALS(Model[ALSConfig]):
    """ALS; the encoder solves one person's normal equation, so that new events change a person without a fit."""

    family: ClassVar[str] = "als"
    capabilities: ClassVar[Capabilities] = Capabilities(
        sessions=True,
        new_items=False,
        incremental=True,
        deterministic=True,
        learns_from=(LearnsFrom.PURCHASES,),
        fit_s=10.3,
    )
    Config = ALSConfig
    search_space: ClassVar[Space] = {
        "factors": Width((16, 32, 64, 128, 256, 512, 1024)),
        "regularization": Float(0.01, 300.0, log=True),
        "alpha": Float(1.0, 200.0, log=True),
        **WEIGHTING,
    }
    # Little regularization and narrow vectors are better for some shops with little data. The last start has no decay,
    # for shops where nobody buys twice.
    starts: ClassVar[tuple[ModelConfig, ...]] = (
        ALSConfig(factors=64, regularization=1),
        ALSConfig(regularization=10),
        ALSConfig(alpha=10, regularization=10, weighting=Weighting()),
    )

    def suited(self, shape: DataShape) -> Self:
        """Besides, no more regularization than few events can outweigh."""
        model, config = super().suited(shape), self.config
        most = max(1.0, MOST_REGULARIZATION * config.alpha * shape.events)
        if config.regularization <= most:
            return model
        return type(self)(model.config.model_copy(update={"regularization": most}))

    def fit(self, data: TrainingData, options: FitOptions) -> Artifact:
        config = self.config
        matrix = user_items(data.interactions, config.weighting, options.now_s)
        # BLAS threads beside those of implicit make the fit several times slower.
        with threadpool_limits(1, "blas"):
            library = _factorize(matrix.cells, config, options)
            _solve_people(library, matrix.cells, options.threads)
            options.report(config.iterations, config.iterations)
            gram = _gram(library)
        _refuse_collapse(library.item_factors, library.user_factors)
        return Artifact(
            family=self.family,
            params=config.model_dump(mode="json"),
            item_ids=matrix.item_ids,
            item_vectors=library.item_factors,
            user_keys=matrix.user_keys,
            user_vectors=library.user_factors,
            encoder="als_fold_in",
            encoder_params={"alpha": config.alpha},
            encoder_arrays={"gram": gram},
        )


def _factorize(cells: Any, config: ALSConfig, options: FitOptions) -> Any:
    library = AlternatingLeastSquares(
        factors=config.factors,
        regularization=config.regularization,
        alpha=config.alpha,
        iterations=config.iterations - 1,
        num_threads=options.threads,
        random_state=options.seed,
    )

    def report(iteration: int, _elapsed_s: float, _loss: float | None) -> None:
        options.report(iteration + 1, config.iterations)

    try:
        library.fit(cells, show_progress=False, callback=report)
    except ModelFitError as error:
        raise RefusedError(f"als did not converge: {error}; raise regularization or lower alpha") from error
    return library


def _solve_people(library: Any, cells: Any, threads: int) -> None:
    """Updates the user factors once more, as the last half iteration.

    The item factors stay, so a stored person equals what the encoder makes of the same history.
    """
    library.cg_steps = PEOPLE_CG_STEPS
    library.solver(library.alpha * cells, library.user_factors, library.item_factors, library.regularization, threads)


def _gram(library: Any) -> F32:
    """(factors, factors) float32: the part of the normal equations that is the same for all people."""
    ridge = library.regularization * np.eye(library.factors)
    return np.asarray(library.YtY + ridge, dtype=np.float32)


def _refuse_collapse(item_factors: F32, user_factors: F32) -> None:
    """Raises `RefusedError` where all factors have shrunk to almost nothing, so that they would rank noise.

    It happens where regularization outweighs the few events that there are.
    """
    longest = np.linalg.norm(item_factors, axis=1).max() * np.linalg.norm(user_factors, axis=1).max()
    if longest < LEAST_SCORE:
        raise RefusedError(
            f"als learned nothing: no score reaches {LEAST_SCORE}, where a liked item should have about 1; "
            "there are too few events for this regularization and alpha"
        )
