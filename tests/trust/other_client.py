"""Another client: asks one server the same few questions over new connections, and tells how long each took.

    python -m tests.trust.other_client PORT PATH…

It is a process of its own, so that its times are not those of whoever attacks. It asks until its standard input ends,
and then writes one JSON object: for each path, the seconds of each answer and what was no answer of status 200.
"""

from __future__ import annotations

import http.client
import json
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

HOST: Final = "127.0.0.1"
PAUSE_S: Final = 0.02
PATIENCE_S: Final = 30.0
READY: Final = "ready\n"
ROOT: Final = Path(__file__).parents[2]


@dataclass
class Seen:
    """What another client saw on one path."""

    seconds: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)

    @property
    def longest_s(self) -> float:
        return max(self.seconds, default=0.0)

    @property
    def p99_s(self) -> float:
        return sorted(self.seconds)[int(0.99 * len(self.seconds))] if self.seconds else 0.0


def milliseconds(seen: Mapping[str, Seen], when: str) -> dict[str, int]:
    """The 99th percentile and the longest time of each path, for a test's account."""
    return {
        f"ms {what} of {path} {when}": round(seconds * 1000)
        for path, those in seen.items()
        for what, seconds in (("p99", those.p99_s), ("longest", those.longest_s))
    }


@contextmanager
def another_client(port: int, *paths: str) -> Iterator[dict[str, Seen]]:
    """Asks during the block, from its beginning; what it has seen is in the yielded dict after it."""
    command = [sys.executable, "-m", "tests.trust.other_client", str(port), *paths]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    seen: dict[str, Seen] = {}
    assert process.stdout is not None
    assert process.stdout.readline() == READY
    try:
        yield seen
    finally:
        out, _ = process.communicate("")
    seen.update({path: Seen(**figures) for path, figures in json.loads(out).items()})


def ask(port: int, path: str, seen: Seen) -> None:
    started = time.perf_counter()
    connection = http.client.HTTPConnection(HOST, port, timeout=PATIENCE_S)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        if answer.status == 200:
            seen.seconds.append(time.perf_counter() - started)
        else:
            seen.failures.append(f"{answer.status} {body[:200]!r}")
    except OSError as error:
        seen.failures.append(repr(error))
    finally:
        connection.close()


def main(port: int, paths: Sequence[str]) -> None:
    seen = {path: Seen() for path in paths}
    sys.stdout.write(READY)
    sys.stdout.flush()
    while not select.select([sys.stdin], [], [], PAUSE_S)[0]:
        for path in paths:
            ask(port, path, seen[path])
    sys.stdout.write(json.dumps({path: vars(those) for path, those in seen.items()}))


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
