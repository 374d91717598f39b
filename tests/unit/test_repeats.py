from __future__ import annotations

import numpy as np
import pytest

from common.evaluation.cases import make_cases
from common.evaluation.repeats import Repeats, judge_repeats
from common.evaluation.split import temporal_split
from common.models.base import FitOptions, TrainingData
from common.models.registry import make
from common.schemas.data import Interactions
from common.serving.encoders import ENCODERS
from tests.shops import Event, interactions

ALS = {"factors": 2, "regularization": 0.1, "weighting": {"half_life_days": None}}


def repeats(data: Interactions) -> Repeats:
    split = temporal_split(data, 20, 0)
    assert split is not None
    fold = split.validation
    options = FitOptions(1, 1, fold.cut_s)
    artifact, popular = (make(*args).fit(TrainingData(fold.past), options) for args in (("als", ALS), ("popular",)))
    return judge_repeats(artifact, make_cases(fold, 1), ENCODERS[artifact.encoder], popular)


def test_where_all_buy_their_own_again_these_are_put_forward() -> None:
    """Each has three things of their own on a shelf of thirty, more than two factors can tell apart."""
    rng = np.random.default_rng(1)
    own = {f"u{user:02}": rng.choice(30, 3, replace=False) for user in range(40)}
    data = interactions(
        Event(user, f"i{rng.choice(items):02}", day + rng.random())
        for day in range(80)
        for user, items in own.items()
        if rng.random() < 0.3
    )
    found = repeats(data)
    assert found.put_forward > found.show > found.hide == 0
    assert found.boost > 0


def test_where_nobody_buys_twice_hiding_is_best() -> None:
    rng = np.random.default_rng(1)
    turns = {user: 10 * (user % 2) + rng.permutation(10) for user in range(40)}
    data = interactions(
        Event(f"u{user:02}", f"i{item:02}", 8 * turn + rng.random())
        for user, items in turns.items()
        for turn, item in enumerate(items)
    )
    found = repeats(data)
    assert found.hide > found.show >= found.put_forward
    assert found.hide == pytest.approx(1.0, abs=0.3)
