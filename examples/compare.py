"""Compare models as the night does: tried on four held-back weeks, tested once on four more.

python -m examples.compare
"""

from __future__ import annotations

import time

from common.evaluation.judge import PRIMARY
from common.models.registry import make
from common.usecases.train.comparison import compare_models
from common.usecases.train.evaluator import Candidate
from common.usecases.train.workbench import Order, Workbench
from examples.grocer import open_shop, read_data

FAMILIES = ("als", "bpr", "item2vec")
"""`popular` takes part anyway, and so do the baselines."""

TRIALS = 3
"""Of other settings for a family. A night has up to forty."""

BUDGET_S = 120


def main() -> None:
    with open_shop() as shop:
        data, settings = read_data(shop), shop.settings.model_copy(update={"tune_trials": TRIALS})
        windows = Workbench(data, Order.of(settings)).windows()
        assert windows is not None, "too short a history to hold weeks back"
        candidates = [Candidate(make(family), "default") for family in FAMILIES]
        deadline = time.monotonic() + BUDGET_S
        found = compare_models(windows, candidates, settings, deadline, report)
        assert found is not None, "nobody bought both before and in the weeks held back"
        print(f"\n{'':24}{PRIMARY}, {found.relevance}")
        for row in found.leaderboard:
            score = f"{row.judgement.metrics[found.relevance][PRIMARY]:.4f}" if row.judgement else row.left_out
            print(f"{row.name:24}{score}")
        refusal = found.final.refusal(found.relevance, settings.gate_margin)
        print(f"\n{refusal or 'The first would be published.'}")


def report(step: str, done: float) -> None:
    print(f"{done:4.0%} {step}")


if __name__ == "__main__":
    main()
