"""Whatever comes in, a loader returns or raises one of its documented errors, soon and in little memory."""

from __future__ import annotations

import json
import resource
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from random import Random
from types import FrameType

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.trust.accounts import Account
from tests.trust.loaders import Loader, all_loaders
from tests.trust.mutations import TOKENS, changed_documents, mutated

MEMORY_BYTES = 512 << 20
"""What all of a loader's inputs may take beside what the process has already."""

PROCESSOR_S = 5.0
"""For one input, in seconds of the processor, which a busy machine does not stretch."""

A_FEW, MANY = 60, 4_000
inputs = pytest.mark.parametrize(
    "n",
    [
        pytest.param(A_FEW, marks=pytest.mark.slow(lane="trust"), id="a-few"),
        pytest.param(MANY, marks=pytest.mark.slow(lane="trust-inputs"), id="many"),
    ],
)


class TakesTooLong(BaseException):
    """No `Exception`, so that no loader can take it for one of its own."""


@pytest.fixture(scope="module")
def loaders(tmp_path_factory: pytest.TempPathFactory) -> list[Loader]:
    return all_loaders(tmp_path_factory.mktemp("loaders"))


@inputs
def test_changed_bytes(loaders: list[Loader], n: int, account: Account) -> None:
    for loader in loaders:
        with little_memory():
            for number in range(n):
                rng = Random(f"{loader.name} {number}")
                load(loader, mutated(rng.choice(loader.valid), rng), f"number {number}")
                account(inputs=1)


@inputs
def test_changed_documents(loaders: list[Loader], n: int, account: Account) -> None:
    for loader in loaders:
        for valid in loader.valid:
            if is_json(valid):
                fuzz(loader, changed_documents(valid), n // len(loader.valid), account)


@inputs
def test_any_bytes(loaders: list[Loader], n: int, account: Account) -> None:
    for loader in loaders:
        fuzz(
            loader, st.binary(max_size=200) | st.text().map(lambda text: text.encode(errors="replace")), n // 4, account
        )


def test_valid_bytes_and_each_hostile_token(loaders: list[Loader], account: Account) -> None:
    for loader in loaders:
        for valid in loader.valid:
            loader.load(valid)
        with little_memory():
            for token in TOKENS:
                load(loader, token, repr(token[:20]))
        account(inputs=len(loader.valid) + len(TOKENS))


def fuzz(loader: Loader, data: st.SearchStrategy[bytes], n: int, account: Account) -> None:
    @settings(max_examples=n, deadline=None, database=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(data)
    def holds(data: bytes) -> None:
        load(loader, data, repr(data[:2_000]))
        account(inputs=1)

    with little_memory():
        holds()


def load(loader: Loader, data: bytes, which: str) -> None:
    with soon():
        try:
            loader.load(data)
        except loader.documented:
            pass
        except (Exception, TakesTooLong) as error:
            error.add_note(f"{loader.name}, {which}: {data[:300]!r}")
            raise


def is_json(data: bytes) -> bool:
    try:
        return isinstance(json.loads(data), dict | list)
    except ValueError:
        return False


@contextmanager
def little_memory() -> Iterator[None]:
    """What would take more raises `MemoryError`, which no loader documents."""
    before = resource.getrlimit(resource.RLIMIT_AS)
    now = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (now + MEMORY_BYTES, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)


@contextmanager
def soon() -> Iterator[None]:
    def end(number: int, frame: FrameType | None) -> None:
        raise TakesTooLong

    before = signal.signal(signal.SIGVTALRM, end)
    signal.setitimer(signal.ITIMER_VIRTUAL, PROCESSOR_S)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
