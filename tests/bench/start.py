"""How long recommend takes from the start of its process to its first personal answer, and what memory it has then.

"In the cache" means that the bundle's files lie where an earlier process of the machine left them; the document that
names them is read from the bucket each time. All are asked for a person whom they know, on a core of their own.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import cycle
from pathlib import Path

from common.bucket.cache import FileCache
from infra.local.ports import HOST, free_ports
from tests.bench.harness import (
    EMPTY,
    RECOMMEND,
    ROOT,
    SERVER_CORE,
    START_S,
    Bench,
    anonymous_bytes,
    bench,
    client_cores,
    function_program,
    listening_on,
    pinned,
    worker_pid,
)
from tests.bench.http_load import measure
from tests.bench.large_shop import PSEUDONYM_KEY, Written, large_shop, user_id
from tests.bench.questions import token_request
from tests.bench.row import Row

MANY, FEW = 1_000_000, 10_000
WARM = f"start: to the first personal answer, {MANY:,} items and people, in the cache"
BY_SIZE = f"start: the same, against {FEW:,} items and people"
COLD = f"start: the same at {MANY:,}, with an empty cache"
MEMORY = f"start: private memory of the worker, {MANY:,} items and people"
ROWS = (WARM, BY_SIZE, COLD, MEMORY)
_WARM_REPEATS, _COLD_REPEATS = 7, 3
_ASKED = 2_000
_LOAD_S = 5.0
_POLL_S = 0.002


@dataclass(frozen=True)
class _Shop:
    """A published bundle, and the environment of a recommend that serves it."""

    written: Written
    environment: dict[str, str]

    def question(self, person: int = 0) -> bytes:
        return token_request(user_id(person), self.environment["RECSYS_TOKEN_KEY"])


def rows() -> list[Row]:
    with bench() as made, client_cores():
        many, few = _shop(made, MANY, with_files=True), _shop(made, FEW, with_files=False)
        sides = [
            (RECOMMEND, many.environment, many.question()),
            (RECOMMEND, few.environment, few.question()),
            (EMPTY, made.environment, few.question()),
        ]
        times = [[_start(*side) for side in sides] for _ in range(_WARM_REPEATS)]
        ours, small, empty = (statistics.median(column) for column in zip(*times, strict=True))
        cold = [(_cold_start(many, made), _download(many, made)) for _ in range(_COLD_REPEATS)]
        memory = _memory(many)
    return [
        Row(WARM, f"{ours:.2f} s", f"{empty:.2f} s (empty function)", ours / empty, "<= 3.0"),
        Row(BY_SIZE, f"{ours:.2f} s", f"{small:.2f} s (at {FEW:,})", ours / small, "<= 1.2"),
        _cold_row(cold, ours, many.written.n_bytes),
        memory,
    ]


def _shop(made: Bench, size: int, with_files: bool) -> _Shop:
    """Published in a bucket of its own, its files in a cache of its own."""
    written = large_shop(size, size)
    name = f"bench-{size}"
    written.publish(made.new_bucket(name), with_files)
    directory = made.directory / f"cache-{size}"
    cache = FileCache(directory, written.n_bytes * 2)
    for ref in written.files:
        cache.keep(ref, written.path(ref))
    own = {"RECSYS_BUCKET": name, "RECSYS_CACHE_DIR": str(directory), "RECSYS_PSEUDONYM_KEY": PSEUDONYM_KEY}
    return _Shop(written, made.environment | own)


def _start(which: str, environment: Mapping[str, str], question: bytes) -> float:
    """Seconds from the start of the process to the end of its first answer."""
    started = time.perf_counter()
    with _process(which, environment) as (_, port):
        _ask(port, question)
        return time.perf_counter() - started


@contextmanager
def _process(which: str, environment: Mapping[str, str]) -> Iterator[tuple[int, int]]:
    """Its process id and its port."""
    port = free_ports()["recommend"]
    program = function_program(which, {**environment, **listening_on(port)})
    log = Path(environment["HOME"]) / "start.log"
    with log.open("ab") as output:
        command = pinned(program.command, SERVER_CORE)
        child = subprocess.Popen(
            command, env=program.env, cwd=program.cwd, stdout=output, stderr=output, start_new_session=True
        )
    try:
        yield child.pid, port
    finally:
        os.killpg(child.pid, signal.SIGKILL)
        child.wait()


def _ask(port: int, question: bytes) -> None:
    """The server listens before it can answer, so one question waits for its answer."""
    deadline = time.monotonic() + START_S
    while True:
        try:
            with socket.create_connection((HOST, port), timeout=START_S) as connection:
                connection.sendall(question.replace(b"\r\n", b"\r\nConnection: close\r\n", 1))
                answer = b"".join(iter(lambda: connection.recv(1 << 16), b""))
        except ConnectionRefusedError:
            assert time.monotonic() < deadline, "the function does not listen"
            time.sleep(_POLL_S)
            continue
        assert answer.startswith(b"HTTP/1.1 200"), answer
        assert b'"items"' not in answer or b'"rung":"personal"' in answer, answer
        return


def _cold_start(shop: _Shop, made: Bench) -> float:
    cache = made.directory / f"cold-{secrets.token_hex(4)}"
    environment = shop.environment | {"RECSYS_CACHE_DIR": str(cache)}
    seconds = _start(RECOMMEND, environment, shop.question())
    shutil.rmtree(cache)
    return seconds


def _download(shop: _Shop, made: Bench) -> float:
    """Seconds that boto3 takes for the same objects, in a process of its own on the same core."""
    target = made.directory / "downloaded"
    target.mkdir()
    keys = made.directory / "keys.txt"
    keys.write_text("\n".join(ref.key for ref in shop.written.files))
    command = [sys.executable, "-m", "tests.bench.plain_download", str(keys), str(target)]
    done = subprocess.run(pinned(command, SERVER_CORE), env=shop.environment, cwd=ROOT, capture_output=True, check=True)
    shutil.rmtree(target)
    return float(done.stdout)


def _cold_row(cold: list[tuple[float, float]], warm_s: float, n_bytes: int) -> Row:
    ours, download = (statistics.median(column) for column in zip(*cold, strict=True))
    reference = download + warm_s
    told = f"{reference:.2f} s (boto3 downloads {n_bytes / 1e6:,.0f} MB in {download:.2f} s, and the warm start)"
    return Row(COLD, f"{ours:.2f} s", told, ours / reference, "<= 1.3")


def _memory(shop: _Shop) -> Row:
    """The worker's anonymous pages under load."""
    questions = cycle([shop.question(person) for person in range(_ASKED)])
    with _process(RECOMMEND, shop.environment) as (pid, port):
        _ask(port, shop.question())
        measure(port, questions, _LOAD_S)
        megabytes = anonymous_bytes(worker_pid(pid)) / 1e6
    return Row.bound(MEMORY, f"{megabytes:.0f} MB of anonymous pages", megabytes, "<= 160 MB")
