"""cooccurrence: items that follow or accompany each other in visits, baskets and histories, as sparse links.

Written from item-item transition models: Linden et al. (2003), the association and sequential rules of Ludewig and
Jannach (2018), and the normalised transitions of SLIST (Choi et al. 2021). It has no vectors, so no person and no
index: the answer to a visit or a basket is the weighted sum of a few short rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import ClassVar

import numpy as np

from common.errors import RefusedError
from common.models.artifact import Artifact
from common.models.base import Capabilities, FitOptions, LearnsFrom, Model, ModelConfig, TrainingData
from common.models.gru.config import SequenceOf
from common.models.links.config import CooccurrenceConfig, Nearness
from common.models.links.counting import LinkCounts, Steps, count_pairs, item_sums
from common.models.links.weighing import as_links, best_links, link_weights
from common.models.sessions import people_of, sessions_of
from common.models.space import WEIGHTING, Categorical, Float, Int, Space
from common.schemas.data import F64, I64, NO_USER, Interactions
from common.schemas.links import LINKS
from common.schemas.pairs import PairRule, shares_of_one


class Cooccurrence(Model[CooccurrenceConfig]):
    """cooccurrence. Each item has at most `neighbours` links; a link without the people that `FitOptions.pairs` asks
    for is left out."""

    family: ClassVar[str] = "cooccurrence"
    capabilities: ClassVar[Capabilities] = Capabilities(
        sessions=True,
        new_items=False,
        incremental=True,
        deterministic=True,
        learns_from=(LearnsFrom.COMPANY, LearnsFrom.SEQUENCE),
        fit_s=14.9,
        people=False,
    )
    Config = CooccurrenceConfig
    search_space: ClassVar[Space] = {
        **WEIGHTING,
        "window": Int(3, 50, log=True),
        "nearness": Categorical(tuple(Nearness)),
        "backward": Float(0.0, 1.0),
        "row_power": Float(0.0, 1.0),
        "column_power": Float(0.0, 1.0),
        "shrinkage": Float(0.1, 100.0, log=True),
        "memory": Float(0.5, 30.0, log=True),
        "own": Float(0.0, 0.2),
    }
    # Searched are visits only; histories of people are for evaluations. The start is for baskets, whose lines have no
    # order.
    starts: ClassVar[tuple[ModelConfig, ...]] = (
        CooccurrenceConfig(
            window=50,
            nearness=Nearness.FLAT,
            backward=1.0,
            row_power=0.3,
            column_power=0.5,
            memory=30.0,
        ),
    )

    def fit(self, data: TrainingData, options: FitOptions) -> Artifact:
        config = self.config
        steps, items = _steps(data.interactions, config, options)
        leaving, arriving = item_sums(steps, config, len(items))
        pairs = _joined(_kept(steps, config, options, leaving, arriving))
        if len(pairs.items) == 0:
            raise RefusedError(
                f"nothing is linked: no two of {len(items)} items come together in the visits of "
                f"{options.pairs.people} people"
            )
        options.report(len(items), len(items))
        links = as_links(pairs, link_weights(pairs, leaving, arriving, config))
        return Artifact(
            family=self.family,
            params=config.model_dump(mode="json"),
            item_ids=tuple(data.interactions.item_ids[item] for item in items),
            item_vectors=np.empty((len(items), 0), dtype=np.float32),
            user_keys=np.empty((0, 2), dtype=np.uint64),
            user_vectors=np.empty((0, 0), dtype=np.float32),
            encoder=LINKS,
            encoder_params={"memory": config.memory, "own": config.own},
            encoder_arrays={
                "link_nos": links.nos,
                "link_offsets": links.offsets,
                "link_items": links.items,
                "link_weights": links.weights,
                "link_counts": pairs.counts,
                "link_leaving": leaving,
                "link_arriving": arriving,
            },
        )


def _kept(
    steps: Steps, config: CooccurrenceConfig, options: FitOptions, leaving: F64, arriving: F64
) -> Iterator[LinkCounts]:
    """The pairs that become links, block by block."""
    n_items = len(leaving)
    for pairs in count_pairs(steps, config, n_items):
        proven = pairs.where(pairs.units >= options.pairs.people)
        best = best_links(proven, link_weights(proven, leaving, arriving, config), config.neighbours)
        chosen = np.zeros(len(proven.items), dtype=np.bool_)
        chosen[best] = True
        yield proven.where(chosen)
        if pairs.items[-1] < n_items - 1:
            options.report(int(pairs.items[-1]) + 1, n_items)


def _joined(blocks: Iterator[LinkCounts]) -> LinkCounts:
    found = list(blocks)
    return LinkCounts(
        items=np.concatenate([block.items for block in found]),
        others=np.concatenate([block.others for block in found]),
        counts=np.concatenate([block.counts for block in found]),
        units=np.concatenate([block.units for block in found]),
    )


def _steps(data: Interactions, config: CooccurrenceConfig, options: FitOptions) -> tuple[Steps, I64]:
    """The events in sequences of two or more, with items numbered from 0 without gaps, and the code of each number."""
    steps = link_steps(data, config, options.now_s, options.pairs)
    if len(np.unique(steps.items)) < 2:
        visits = len(np.unique(steps.sequences))
        raise RefusedError(f"nothing to learn what goes together from: {visits} sequences of two events or more")
    items, numbers = np.unique(steps.items, return_inverse=True)
    return replace(steps, items=numbers.astype(np.int32)), items.astype(np.int64)


def link_steps(data: Interactions, config: CooccurrenceConfig, now_s: int, rule: PairRule) -> Steps:
    """The events of sequences of two events or more, with the item codes of the data.

    A unit is a person, or what `rule` takes for one. One person's events with an item count as `MOST_OF_ONE` at most.
    """
    cut = sessions_of if config.sequence_of is SequenceOf.SESSION else people_of
    # With its row in place of its item, an event can be found again in the sequences.
    rows = cut(replace(data, items=np.arange(len(data), dtype=np.int32)), config.weighting).of_length(2)
    numbers = np.arange(len(rows))
    units = np.repeat(rule.units(rows.people, numbers), rows.lengths)
    items = data.items[rows.items]
    shares = shares_of_one(units, items, np.repeat(rows.people != NO_USER, rows.lengths))
    return Steps(
        items=items,
        sequences=np.repeat(numbers, rows.lengths),
        units=units,
        weights=config.weighting.weigh(data, now_s)[rows.items] * shares,
    )
