"""A family may hang or die at any of its fits: the time of a training holds, and something is published."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Final

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import Stopped
from common.evaluation.baselines import BASELINES
from common.models.artifact import Artifact
from common.models.registry import FAMILIES, families_for_people
from common.usecases.train.final_fit import fit_on_all
from common.usecases.train.model_selection import ModelSelection, TrainPlan, select_model
from tests.unit.test_comparison import SETTINGS, quiet, served
from tests.virtual_bench import CHOICE, Clock, VirtualBench

LEARNING: Final = [family for family in families_for_people() if family != "popular"]
ANY: Final = st.sampled_from([*LEARNING, *(baseline.name for baseline in BASELINES), CHOICE])
BUDGET_S: Final = 480.0


class QuietLog:
    """What `fit_on_all` needs of a run's log."""

    def __init__(self) -> None:
        self.notices: list[str] = []

    def step(self, name: str, progress: float = 0.0) -> None:
        pass

    def note(self, *, notices: Sequence[str] = ()) -> None:
        self.notices += notices


def run(bench: VirtualBench, serves: bool, trials: int) -> tuple[ModelSelection, Artifact, list[str]]:
    plan = TrainPlan(
        families=tuple(FAMILIES), evaluate=True, deadline=bench.ends, served=served("bpr") if serves else None
    )
    log = QuietLog()
    selection = select_model(bench, plan, SETTINGS.model_copy(update={"tune_trials": trials}), quiet)
    return selection, fit_on_all(bench, selection, plan, log), log.notices


@pytest.mark.slow(lane="train")
@given(
    fit_s=st.dictionaries(ANY, st.floats(0.1, 120)),
    hangs_from=st.dictionaries(ANY, st.integers(0, 8), max_size=3),
    dies=st.frozensets(ANY, max_size=2),
    serves=st.booleans(),
    trials=st.integers(0, 3),
)
@settings(max_examples=40, deadline=None)
def test_the_time_holds_and_something_is_published_whatever_hangs_from_whenever(
    fit_s: dict[str, float], hangs_from: dict[str, int], dies: frozenset[str], serves: bool, trials: int
) -> None:
    clock = Clock()
    bench = VirtualBench(clock, clock.now + BUDGET_S, fit_s, hangs_from, dies)
    with pytest.MonkeyPatch.context() as monkeypatch:
        clock.run(monkeypatch)
        stopped = None
        try:
            selection, artifact, notices = run(bench, serves, trials)
        except Stopped as stop:
            stopped = stop
        if stopped:
            assert serves
            assert "what was served stays" in stopped.message
        else:
            assert artifact.family in {model.family for model in selection.models}
            if artifact.family != selection.models[0].family:
                assert notices
            named = " ".join(selection.notices)
            hung = [family for family, first in hangs_from.items() if first == 0 and family in LEARNING]
            assert all(f"{family} (" in named for family in hung)
        assert clock.now <= bench.ends


@pytest.mark.parametrize("family", LEARNING)
@pytest.mark.parametrize("ended", range(4))
def test_one_family_that_hangs_leaves_the_others_time_to_be_published(family: str, ended: int) -> None:
    """Also where it hangs only once it has won: at the decision how to serve it, the test, or the fit on all data."""
    clock = Clock()
    bench = VirtualBench(clock, clock.now + BUDGET_S, dict.fromkeys(LEARNING, 5.0), {family: ended})
    with pytest.MonkeyPatch.context() as monkeypatch:
        clock.run(monkeypatch)
        selection, artifact, _ = run(bench, serves=False, trials=0)
        assert clock.now <= bench.ends
    assert artifact.family != "popular"
    assert selection.refusal is None
    assert np.isfinite(artifact.item_vectors).all()
    assert time.monotonic() != clock.now
