"""Add a model of one's own, and compare it with two that are there.

The model is PureSVD (Cremonesi, Koren and Turrin 2010): the singular value decomposition of who bought what. A person's
vector is the sum of the vectors of what they bought, so it needs no vector for each person.

    python -m examples.own_model
"""

from __future__ import annotations

from typing import ClassVar

import numpy as np
from pydantic import Field
from scipy.sparse.linalg import svds

from common.errors import RefusedError
from common.evaluation.cases import Relevance
from common.evaluation.judge import PRIMARY
from common.evaluation.split import temporal_split
from common.models.artifact import Artifact
from common.models.base import Capabilities, FitOptions, LearnsFrom, Model, ModelConfig, TrainingData
from common.models.matrix import user_items
from common.models.registry import FAMILIES, make
from common.models.space import WEIGHTING, Space, Width
from common.usecases.train.evaluator import Candidate, Evaluator
from examples.grocer import open_shop, read_data


class PureSVDConfig(ModelConfig):
    factors: int = Field(32, ge=1)


class PureSVD(Model[PureSVDConfig]):
    family: ClassVar[str] = "puresvd"
    capabilities: ClassVar[Capabilities] = Capabilities(
        sessions=True,
        new_items=False,
        incremental=True,
        deterministic=True,
        learns_from=(LearnsFrom.PURCHASES,),
    )
    Config = PureSVDConfig
    search_space: ClassVar[Space] = {"factors": Width((16, 32, 64, 128)), **WEIGHTING}

    def fit(self, data: TrainingData, options: FitOptions) -> Artifact:
        matrix = user_items(data.interactions, self.config.weighting, options.now_s)
        factors = self.config.factors
        if min(matrix.cells.shape) <= factors:
            raise RefusedError(f"puresvd needs more than {factors} people and items for {factors} factors")
        _, _, item_factors = svds(matrix.cells.astype(np.float64), k=factors, random_state=options.seed)
        options.report(1, 1)
        return Artifact(
            family=self.family,
            params=self.config.model_dump(mode="json"),
            item_ids=matrix.item_ids,
            item_vectors=item_factors.T.astype(np.float32),
            user_keys=matrix.user_keys[:0],
            user_vectors=np.empty((0, factors), np.float32),
            encoder="weighted_mean",
        )


def main() -> None:
    FAMILIES[PureSVD.family] = PureSVD  # in the project itself: one line in common/models/registry.py
    with open_shop() as shop:
        data, settings = read_data(shop), shop.settings
        split = temporal_split(data.interactions, settings.validation_days, settings.test_days)
        assert split is not None, "too short a history to hold weeks back"
        evaluator = Evaluator(split.validation, data.catalogue, settings.seed, settings.n_threads)
        print(f"{PRIMARY:12}{'  '.join(Relevance)}")
        for family in (PureSVD.family, "als", "popular"):
            trial = evaluator.evaluate(Candidate(make(family), "default"))
            scores = (f"{trial.score(kind):<{len(kind)}.4f}" for kind in Relevance)
            print(f"{family:12}{'  '.join(scores)}".rstrip())


if __name__ == "__main__":
    main()
