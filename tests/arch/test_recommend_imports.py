"""What recommend must not carry: training, data frames, and DuckDB before the first filter."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "implicit", "gensim", "lightfm", "optuna", "scipy", "pandas", "pyarrow", "duckdb")
LIST_LOADED = """
import runpy, sys
runpy.run_path("functions/recommend/main.py")
from common.edges.wiring import make_context
print(*sorted({name.partition(".")[0] for name in sys.modules}))
"""


def test_recommend_loads_nothing_that_it_does_not_need() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", LIST_LOADED], cwd=ROOT, check=True, capture_output=True, text=True
    ).stdout.split()
    assert {"faiss", "numpy", "common"} <= set(loaded)
    assert not set(HEAVY) & set(loaded)
