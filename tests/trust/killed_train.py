"""A training in a process of its own, to be killed: `python -m tests.trust.killed_train SETTINGS BUDGET_S`."""

from __future__ import annotations

import json
import sys

from common.edges.wiring import make_context
from common.usecases.train.train import TrainOptions, train

if __name__ == "__main__":
    settings, budget_s = json.loads(sys.argv[1]), float(sys.argv[2])
    sys.exit(train(make_context(settings), TrainOptions(budget_s=budget_s)).state)
