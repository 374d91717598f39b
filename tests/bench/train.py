"""A night's training through the train function, against the bare library on the same matrix with the same threads.

The function's side is one `POST /` with `{"families": ["als"], "evaluate": false}` to a process of its own. To the
trained model are counted, by the run's own record: looking for what there is to fold, reading the store from the
bucket, building the matrix, the fit with the family's defaults, its people solved to the end. The whole call is the
time until the answer, with all that the bare library does not do: the artifact saved, the bundle with its index, cards,
histories, similar items and what is bought together published, and the report. The reference is the time inside
`AlternatingLeastSquares.fit` alone, its matrix in memory beforehand.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from pathlib import Path

import duckdb
from scipy.sparse import save_npz

from common.edges.wiring import make_context
from common.models.als import ALSConfig
from common.models.matrix import user_items
from common.models.registry import make
from common.store.segments.reader import open_store
from common.usecases.ingest.compact import compact
from common.usecases.ingest.ingest import drain
from common.usecases.shared.context import Context
from infra.local.ports import HOST
from tests.bench.harness import ROOT, TRAIN, TRIGGER_TOKEN, Servers, bench
from tests.bench.row import Row

N_EVENTS = 10_000_000
_USERS, _ITEMS, _TASTES = 250_000, 20_000, 50
_ABOUT = f"train: {N_EVENTS // 1_000_000} million events"
ROWS = (f"{_ABOUT}, to the trained model", f"{_ABOUT}, the whole call with publishing")
_TO_THE_MODEL = ("compacting", "reading", "fitting als")
_REPEATS = 3
_GOAL = "<= 1.25"
_TRAIN_S = 1800.0


def rows() -> list[Row]:
    with bench() as made, Servers(made.directory / "logs") as servers:
        matrix = _fill(make_context(made.settings), made.directory)
        # Training takes all cores, and a bare fit has OpenMP's default, which is all of them too.
        environment = {name: value for name, value in made.environment.items() if name != "OMP_NUM_THREADS"}
        url = f"http://{HOST}:{servers.function(TRAIN, environment, core=None)}/"
        pairs = [(_train(url), _fit(matrix, environment)) for _ in range(_REPEATS)]
    trains, fits = zip(*pairs, strict=True)
    fit_s = statistics.median(fits)
    defaults = ALSConfig()
    told = f"implicit's fit alone: {defaults.factors} factors, {defaults.iterations} iterations"
    reference = f"{fit_s:.1f} s ({told})"
    sides = (statistics.median(seconds) for seconds in zip(*trains, strict=True))
    return [Row(name, f"{side:.1f} s", reference, side / fit_s, _GOAL) for name, side in zip(ROWS, sides, strict=True)]


def _fill(ctx: Context, directory: Path) -> Path:
    """Takes in and folds the shop's events; the matrix that a model learns from is saved beside."""
    path = directory / "events.parquet"
    _write_events(path)
    ctx.bucket.put(f"{ctx.keys.incoming_events}events.parquet", path)
    [record] = drain(ctx)
    assert record.counts["rows_kept"] == N_EVENTS, record
    with open_store(compact(ctx), ctx.path_of, directory) as store:
        data = store.interactions()
    matrix = user_items(data, make("als").config.weighting, int(data.ts[-1]))
    save_npz(directory / "matrix.npz", matrix.cells, compressed=False)
    return directory / "matrix.npz"


def _write_events(path: Path) -> None:
    """Two years of a shop whose customers each have a taste, and buy by it every other time."""
    with duckdb.connect() as connection:
        connection.execute("SELECT setseed(0.42)")
        connection.execute(
            f"""COPY (
                SELECT 'customer-' || person AS user_id,
                       'sku-' || CASE WHEN random() < 0.5 THEN item
                            ELSE item // {_TASTES} * {_TASTES} + person % {_TASTES} END
                           AS item_id,
                       TIMESTAMP '2024-01-01' + to_seconds(i * 6) AS ts, 1 AS qty
                FROM (SELECT i, floor(random() ** 2 * {_USERS})::BIGINT AS person,
                             floor(random() ** 2 * {_ITEMS})::BIGINT AS item
                      FROM range({N_EVENTS}) AS numbers(i))
            ) TO '{path}' (FORMAT parquet)"""
        )


def _train(url: str) -> tuple[float, float]:
    """Seconds to the trained model, and to the answer."""
    body = json.dumps({"families": ["als"], "evaluate": False}).encode()
    request = urllib.request.Request(url, body, {"Authorization": f"Bearer {TRIGGER_TOKEN}"})
    started = time.monotonic()
    with urllib.request.urlopen(request, timeout=_TRAIN_S) as answer:
        [record] = json.load(answer)["runs"]
    seconds = time.monotonic() - started
    assert record["state"] == "done", record
    return sum(record["timings_s"][step] for step in _TO_THE_MODEL), seconds


def _fit(matrix: Path, environment: Mapping[str, str]) -> float:
    command = [sys.executable, "-m", "tests.bench.train_bare", str(matrix)]
    done = subprocess.run(command, env=dict(environment), cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"the bare fit failed:\n{done.stderr}")
    return float(done.stdout)
