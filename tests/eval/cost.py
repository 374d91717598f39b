"""What one fit of each family takes on the demo's year, with its defaults, on one thread: `Capabilities.fit_s`.

    OPENBLAS_NUM_THREADS=1 python -m tests.eval.cost             all families; the slowest takes hours
    OPENBLAS_NUM_THREADS=1 python -m tests.eval.cost als bpr     these

Seconds are the processor's, so that other work on the machine counts little.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from common.models.base import FitOptions
from common.models.registry import FAMILIES, make
from tests.eval.shops import SHOPS

SHOP = "completejourney"


def main(families: list[str]) -> None:
    data = SHOPS[SHOP](Path())
    events = data.interactions
    print(f"{len(events):,} events, {events.n_users:,} people, {events.n_items:,} items", flush=True)
    for family in families or FAMILIES:
        start = time.process_time()
        make(family).fit(data, FitOptions(seed=1, threads=1, now_s=int(events.ts[-1])))
        print(f"{family:12}{time.process_time() - start:8.1f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
