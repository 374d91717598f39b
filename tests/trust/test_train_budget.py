"""The time budget of a training holds whatever a model's library does, and what was learned is not lost.

Three minutes of the lane. A library hangs for real, in the worker: in a call of C that keeps the interpreter's lock, or
in Python; both ignore SIGTERM.
"""

from __future__ import annotations

import html
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from common.schemas.documents import RunRecord, RunState
from common.usecases.shared.context import Context
from common.usecases.shared.report_files import fetch_page, versions_with
from common.usecases.train.learned import TRIALS_FILE
from common.usecases.train.train import TrainOptions, train
from tests.functions.test_train import QUICK, sell, two_tastes
from tests.hanging_library import hang
from tests.processes import await_gone
from tests.stored import add_batch, served_document
from tests.trust.accounts import Account
from tests.usecases.test_similar_of_night import GOODS, swaps

pytestmark = [pytest.mark.s3, pytest.mark.slow(lane="trust-limits")]

BUDGET_S = 20.0
OVER = 1.1
"""A training that has no time left may take so much longer than its budget, publishing included."""

FITS_OF_A_WINNER = 6

MakeContext = Callable[..., Context]


def timed(shop: Context, budget_s: float = BUDGET_S) -> tuple[RunRecord, float]:
    began = time.monotonic()
    run = train(shop, TrainOptions(budget_s=budget_s))
    return run, time.monotonic() - began


def shop_of(context_with: MakeContext, families: str, trials: int = 0) -> Context:
    shop = context_with(**QUICK | {"train_families": families, "tune_trials": trials})
    sell(shop, two_tastes())
    return shop


@pytest.mark.parametrize(
    ("family", "place", "how"),
    [
        ("als", "fit", "C"),
        ("bpr", "fit", "busy"),
        ("item2vec", "fit", "C"),
        ("lightfm", "fit", "busy"),
        ("gru4rec", "fit", "C"),
        ("als", "score", "C"),
        ("bpr", "score", "busy"),
    ],
)
def test_a_family_that_hangs_is_named_and_another_is_published_in_time(
    family: str,
    place: str,
    how: str,
    context_with: MakeContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    account: Account,
) -> None:
    shop = shop_of(context_with, f"{family},{'bpr' if family == 'als' else 'als'},popular")
    hang(monkeypatch, tmp_path / "site", family, place=place, how=how)
    run, seconds = timed(shop)
    assert run.state is RunState.DONE, run
    assert seconds <= OVER * BUDGET_S
    assert run.details["family"] != family
    [first, *_] = [one for one in run.details["not_tried"] if one["family"] == family]
    assert (first["origin"], first["cause"]) == ("default", "out_of_time")
    notice = f"{family} (default) was left out, out of time: it took longer than"
    assert any(text.startswith(notice) for text in run.notices)
    assert notice in html.unescape(fetch_page(shop, run.run_id).html.decode())
    account(libraries_that_hung=1)


@pytest.mark.parametrize("place", ["fit", "save"])
@pytest.mark.parametrize("ended", [1, 4, 5, 6])
def test_a_winner_that_hangs_later_is_published_as_it_was_kept_or_gives_way(
    place: str,
    ended: int,
    context_with: MakeContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    account: Account,
) -> None:
    """After the trials of its defaults and three starts: at the decision, the test, the fit on all data; and at each of
    the three savings."""
    shop = shop_of(context_with, "als,bpr,popular")
    hang(monkeypatch, tmp_path / "site", "als", place=place, ended=ended if place == "fit" else ended // 2)
    run, seconds = timed(shop)
    assert run.state is RunState.DONE, run
    assert seconds <= OVER * BUDGET_S
    assert served_document(shop).bundle.model.version == run.run_id
    account(libraries_that_hung=1)


def test_a_library_that_hangs_in_what_is_chosen_beside_the_model_costs_that_alone(
    context_with: MakeContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, account: Account
) -> None:
    """After the trials of its defaults and three starts, the decision, the test, and the fit on all data, the selected
    model is fitted once more to judge similar items."""
    shop = context_with(**QUICK | {"train_families": "als,popular"})
    add_batch(shop, swaps(), GOODS)
    hang(monkeypatch, tmp_path / "site", "als", ended=FITS_OF_A_WINNER)
    run, seconds = timed(shop)
    assert run.state is RunState.DONE, run
    assert seconds <= OVER * BUDGET_S
    assert served_document(shop).bundle.model.family == "als"
    assert any("by the usual blend: it took longer than" in text for text in run.notices), run.notices
    account(libraries_that_hung=1)


def test_where_every_family_hangs_a_new_shop_gets_popular_and_another_keeps_what_it_has(
    context_with: MakeContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, account: Account
) -> None:
    shop = shop_of(context_with, "als,popular")
    before, _ = timed(shop)
    assert before.details["family"] == "als"
    hang(monkeypatch, tmp_path / "site", "als")
    run, seconds = timed(shop)
    assert run.state is RunState.REFUSED
    assert run.error is not None
    assert (
        "popular replaces no model that was not judged: als (served) was left out, out of time" in run.error["message"]
    )
    assert seconds <= OVER * BUDGET_S
    assert served_document(shop).bundle.model.version == before.run_id
    account(libraries_that_hung=1)


@pytest.mark.parametrize("moment", ["reading", "judging", "searching"])
def test_a_training_that_is_killed_leaves_its_trials_and_no_process(
    moment: str,
    environment: dict[str, str],
    context_with: MakeContext,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    account: Account,
) -> None:
    """Killed at once; in the hanging fit of bpr after als was judged; in that of the search's first trial."""
    families = "als,bpr,popular" if moment == "judging" else "als,popular"
    shop = shop_of(context_with, families, trials=40 if moment == "searching" else 0)
    if moment == "judging":
        hang(monkeypatch, tmp_path / "site", "bpr")
    if moment == "searching":
        hang(monkeypatch, tmp_path / "site", "als", ended=4)
    kill_at(moment, shop, environment, families)
    monkeypatch.delenv("HANGS", raising=False)
    left = len(versions_with(shop, TRIALS_FILE))
    assert left == (0 if moment == "reading" else 1)
    run, _ = timed(shop, 60)
    assert run.state is RunState.DONE
    figures = json.loads(getattr(shop.bucket.get(shop.keys.model_file(run.run_id, "metrics.json")), "data", b""))
    origins = [(trial["family"], trial["origin"]) for trial in figures["trials"]]
    assert (origins[0] == ("als", "earlier")) is bool(left)
    assert origins.count(("als", "default")) == (0 if left else 1)
    assert versions_with(shop, TRIALS_FILE) == []
    assert [path.name for path in (shop.settings.cache_dir / "work").iterdir()] == ["lock"]
    account(kills=1)


def kill_at(moment: str, shop: Context, environment: dict[str, str], families: str) -> None:
    """Runs a training in a process of its own and kills it; its worker has to end with it."""
    settings = {f"RECSYS_{name.upper()}": str(value) for name, value in QUICK.items()}
    settings |= {"RECSYS_TRAIN_FAMILIES": families, "RECSYS_TUNE_TRIALS": "40" if moment == "searching" else "0"}
    command = [sys.executable, "-m", "tests.trust.killed_train", json.dumps({**environment, **settings}), "120"]
    with subprocess.Popen(
        command, env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
    ) as training:
        process = psutil.Process(training.pid)
        while not _is_at(moment, shop, process):
            assert training.poll() is None, "it ended before it was killed"
            time.sleep(0.05)
        workers = process.children()
        training.send_signal(signal.SIGKILL)
        training.wait()
    for worker in workers:
        await_gone(worker.pid, 30)


def _is_at(moment: str, shop: Context, process: psutil.Process) -> bool:
    if moment == "reading":
        return bool(process.children())
    if not versions_with(shop, TRIALS_FILE):
        return False
    runs = [json.loads(getattr(shop.bucket.get(info.key), "data", b"{}")) for info in shop.bucket.list(shop.keys.runs)]
    steps = {run.get("step") for run in runs}
    return bool(
        steps & {"searching for better settings"} if moment == "searching" else steps & {"judging bpr (default)"}
    )
