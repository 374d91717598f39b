"""What ingest must not carry: it erases people from what is served, but its image has no index and no training."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
NOT_IN_THE_IMAGE = {
    "faiss",
    "threadpoolctl",
    "torch",
    "implicit",
    "gensim",
    "lightfm",
    "optuna",
    "scipy",
    "jwt",
    "typer",
}
LIST_LOADED = """
import runpy, sys
runpy.run_path("functions/ingest/main.py")
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_ingest_loads_nothing_that_its_image_does_not_hold() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", LIST_LOADED], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert {"duckdb", "numpy", "common"} <= set(loaded)
    assert not NOT_IN_THE_IMAGE & set(loaded)
