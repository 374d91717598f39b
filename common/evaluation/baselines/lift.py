"""Co-purchase lift for baskets: how much more often two items are in one order than by chance.

The same measure as the lists of what is bought together are made by, so that links are held against what is served
without them.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

import numpy as np

from common.models.artifact import Artifact
from common.models.base import FitOptions, TrainingData
from common.models.cooccurrence import Cooccurrence
from common.models.links.config import CooccurrenceConfig, Nearness

SHRINKAGE: Final = 10.0
"""Orders that are added to those expected by chance, as in the lists that are served."""


def fit_lift(data: TrainingData, options: FitOptions) -> Artifact:
    """A model of links whose weights are lifts, and whose answer is the sum over the lines of the basket.

    Raises `RefusedError` as `Cooccurrence.fit` does.
    """
    config = CooccurrenceConfig(
        window=100, nearness=Nearness.FLAT, backward=1.0, row_power=1.0, column_power=1.0, shrinkage=0.0, memory=1e9
    )
    links = Cooccurrence(config).fit(data, options)
    items = np.repeat(links.encoder_arrays["link_nos"], np.diff(links.encoder_arrays["link_offsets"]))
    leaving, arriving = links.encoder_arrays["link_leaving"], links.encoder_arrays["link_arriving"]
    expected = leaving[items] / leaving.sum() * arriving[links.encoder_arrays["link_items"]]
    lifts = links.encoder_arrays["link_counts"] / (expected + SHRINKAGE)
    return replace(links, encoder_arrays={**links.encoder_arrays, "link_weights": lifts.astype(np.float32)})
