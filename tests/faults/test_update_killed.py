"""Update killed by SIGKILL at any moment, against a real object store."""

from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Mapping

import pytest

from common.usecases.shared.context import Context
from common.usecases.update.update import update
from tests.shops import Event
from tests.stored import Item, add_batch, fit, open_served, publish, read_served, served_document, stored_document

TEA, SHOES = ("tea1", "tea2", "tea3"), ("shoe1", "shoe2", "shoe3")
EVENTS = [Event(f"u{number}", item, number + 0.1) for number in range(8) for item in (TEA if number % 2 else SHOES)]
ITEMS = [*(Item(tea, "tea") for tea in TEA), *(Item(shoe, "shoes") for shoe in SHOES)]


def run_and_kill(environment: Mapping[str, str], after_s: float) -> bool:
    """Whether the update was still running when it was killed."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.faults.killed_update"],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"ready\n"
        try:
            process.wait(after_s)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.returncode < 0


@pytest.mark.s3
@pytest.mark.parametrize("rounds", [1, pytest.param(50, marks=pytest.mark.slow(lane="faults"))])
def test_after_a_kill_the_next_call_serves_everything(
    context: Context, environment: dict[str, str], rounds: int
) -> None:
    rng = random.Random(20261123)
    add_batch(context, EVENTS, ITEMS)
    artifact, covers = fit(context)
    publish(context, artifact, covers)
    add_batch(context, [Event("first", "tea1", 10)])
    started = time.monotonic()
    update(context)
    usual_s = time.monotonic() - started
    killed = 0
    for number in range(rounds):
        add_batch(context, [Event(f"guest{number}", TEA[number % 3], 11 + number)], [Item(f"new{number:02}", "tea")])
        killed += run_and_kill(environment, rng.uniform(0, 1.2 * usual_s))
        open_served(context)
        update(context)
        assert served_document(context).bundle.covers_seq == stored_document(context).seq
    assert killed, "every update was over before it was killed"
    served = read_served(context)
    assert {f"new{number:02}" for number in range(rounds)} < set(served.items)
    people = {bytes(context.shop.pseudonymizer.user_key(f"guest{number}")) for number in range(rounds)}
    assert people < set(served.people)
    assert sum(len(history) for history in served.people.values()) == len(EVENTS) + 1 + rounds
