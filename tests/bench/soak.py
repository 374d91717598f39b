"""Recommend for minutes at half of what it can: every answer has to come, and memory may not grow.

    python -m tests.bench.soak --minutes 10

Prints one table and is no part of `make bench`. The load is paced: latency counts from the moment at which a request
was due, so that a server that falls behind shows it. Memory is the worker's that is no mapped file, after the first
tenth of the time, in which caches fill, and at the end; each the median of what was seen around that moment.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import threading
import time
from itertools import cycle

from common.bucket.keys import Keys
from common.config import Shop as Settings
from tests.bench.grocer import ALPHA, make_shop
from tests.bench.harness import RECOMMEND, Servers, anonymous_bytes, bench, client_cores
from tests.bench.http_load import Load, measure, observe
from tests.bench.questions import known_people
from tests.bench.row import Row
from tests.bench.table import show
from tests.bundles import publish

_FULL_LOAD_S = 10.0
_SHARE = 0.5
_SAMPLES = 200
_GROWTH = 1.05


class _MemoryWatch(threading.Thread):
    """Looks at a process's memory `_SAMPLES` times while it runs for `seconds`."""

    def __init__(self, pid: int, seconds: float) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._every_s = seconds / _SAMPLES
        self.seen: list[int] = []

    def run(self) -> None:
        for _ in range(_SAMPLES):
            time.sleep(self._every_s)
            self.seen.append(anonymous_bytes(self._pid))

    @property
    def ends(self) -> tuple[float, float]:
        """Bytes in the second tenth of the samples, and in the last."""
        tenth = len(self.seen) // 10
        return statistics.median(self.seen[tenth : 2 * tenth]), statistics.median(self.seen[-tenth:])


def soak(minutes: float) -> list[Row]:
    with client_cores(), bench() as made, Servers(made.directory / "logs") as servers:
        shop = make_shop(Settings.from_env(made.settings).pseudonymizer)
        publish(made.bucket, Keys(), [shop.layer], made.directory, encoder_params={"alpha": ALPHA})
        requests = cycle(known_people(shop, made.environment["RECSYS_TOKEN_KEY"], hours=24))
        port = servers.function(RECOMMEND, made.environment)
        full = measure(port, requests, _FULL_LOAD_S).requests_per_s
        watch = _MemoryWatch(servers.worker_pid(RECOMMEND), minutes * 60)
        watch.start()
        load = observe(port, requests, minutes * 60, requests_per_s=_SHARE * full)
        watch.join()
    return _rows(full, load, *watch.ends)


def _rows(full: float, load: Load, first_bytes: float, last_bytes: float) -> list[Row]:
    failed = len(load.failures)
    asked = _SHARE * full
    pace = f"{asked:,.0f}/s ({_SHARE:.0%} of the most)"
    said = f"{failed} of {len(load.ended_s):,}, p99 {load.p99_s() * 1000:.1f} ms"
    growth = last_bytes / first_bytes
    before = f"{first_bytes / 1e6:.1f} MB (after the first tenth)"
    return [
        Row("soak: requests/s", f"{load.requests_per_s:,.0f}/s", pace, load.requests_per_s / asked, ">= 0.99"),
        Row.bound("soak: requests that failed", said, failed, "<= 0 answers"),
        Row("soak: memory at the end", f"{last_bytes / 1e6:.1f} MB", before, growth, f"<= {_GROWTH}"),
    ]


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0, help="how long the load lasts")
    rows = soak(parser.parse_args().minutes)
    show(rows)
    sys.exit(0 if all(row.holds for row in rows) else 1)


if __name__ == "__main__":
    main()
