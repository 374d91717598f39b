"""Runs inside an image, as `python -c`: what is left of the libraries works, and the process is confined.

Its arguments are the image's name and the programs that must not be there.
"""

import importlib.util
import json
import os
import shutil
import sys
import sysconfig
from importlib.metadata import distributions
from pathlib import Path

import numpy as np

from common.schemas.data import Interactions

USER = 10001
MOUNTED = ("/proc", "/sys", "/dev", "/tmp", "/cache")
SBOM = Path("/opt/recsys/sbom.cdx.json")


def confined() -> None:
    assert os.getuid() == USER, f"the user is {os.getuid()}"
    for path in ("/srv", "/opt/recsys", "/etc"):
        try:
            open(os.path.join(path, "written"), "w").close()
        except OSError:
            continue
        raise AssertionError(f"{path} can be written")
    for path in ("/tmp", "/cache"):
        with open(os.path.join(path, "written"), "w") as file:
            file.write("x")
        os.unlink(file.name)


def readable() -> None:
    """To everybody: a user namespace, in which the image's owner is this user, would hide that a file is not."""
    closed = [path for root in ("/srv", "/opt/recsys") for path in Path(root).rglob("*") if not path.stat().st_mode & 4]
    assert not closed, closed


def without(programs: list[str]) -> None:
    there = [program for program in programs if shutil.which(program)]
    assert not there, f"the image has {', '.join(there)}"


def slimmed(packages: Path) -> None:
    """Of the libraries, nothing with which they were installed, are compiled against or tested."""
    unwanted = [path for name in ("test", "tests", "include") for path in packages.rglob(name) if path.is_dir()]
    assert not unwanted, unwanted
    assert importlib.util.find_spec("pip") is None, "pip is among the libraries"
    assert not list(Path(sys.prefix, "bin").glob("pip*")), "pip is beside the environment's Python"


def no_cache(root: str = "/") -> None:
    """Nothing that a build has left. What is mounted is no part of the image."""
    for directory, names, _ in os.walk(root):
        names[:] = [name for name in names if os.path.join(directory, name) not in MOUNTED]
        assert ".cache" not in names, f"{directory} has a .cache"


def listed() -> None:
    """Every installed package is in the list of packages, with its licence and the hash of its file."""
    components = json.loads(SBOM.read_text())["components"]
    names = {(component["name"].lower(), component["version"]) for component in components}
    there = {(package.name.lower(), package.version) for package in distributions()}
    assert there
    assert there <= names, there - names
    bare = [one["name"] for one in components if "expression" not in one["licenses"][0] or "hashes" not in one]
    assert bare == ["recsys-lite"], bare


def reads_uploads() -> None:
    import duckdb

    duckdb.execute("COPY (SELECT 1 AS a) TO '/tmp/a.parquet'; COPY (SELECT 1 AS a) TO '/tmp/a.csv'")
    rows = duckdb.execute("SELECT (SELECT a FROM '/tmp/a.parquet') + (SELECT a FROM '/tmp/a.csv')").fetchall()
    assert rows == [(2,)], rows


def searches() -> None:
    import faiss

    points = np.eye(4, dtype=np.float32)
    for kind in ("Flat", "HNSW8"):
        index = faiss.index_factory(4, kind)
        index.add(points)
        assert index.search(points, 1)[1].tolist() == [[0], [1], [2], [3]], kind


def fits() -> None:
    """Every family on a shop of twelve people, and a study of two trials."""
    import optuna

    from common.models.base import FitOptions, TrainingData
    from common.models.registry import FAMILIES, make
    from common.models.shape import DataShape

    data = _shop()
    shape = DataShape.of(data, max_width=64)
    for family in FAMILIES:
        artifact = (
            make(family).suited(shape).fit(TrainingData(data), FitOptions(seed=1, threads=1, now_s=int(data.ts[-1])))
        )
        assert np.isfinite(artifact.item_vectors).all(), family
    optuna.create_study().optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=2)


def _shop() -> Interactions:
    users, items = (axis.ravel().astype(np.int32) for axis in np.mgrid[0:12, 0:12])
    bought = (users + items) % 2 == 0
    n = int(bought.sum())
    return Interactions(
        user_keys=np.array([(user, 0) for user in range(12)], dtype=np.uint64),
        item_ids=tuple(f"item-{item:02}" for item in range(12)),
        users=users[bought],
        items=items[bought],
        ts=1_700_000_000 + 3600 * np.arange(n, dtype=np.int64),
        qty=np.ones(n, dtype=np.float32),
        event_types=np.zeros(n, dtype=np.int8),
        orders=users[bought].astype(np.int64),
        sessions=np.full(n, -1, dtype=np.int64),
        prices=np.full(n, np.nan, dtype=np.float32),
    )


IMAGES = {
    "ingest": (("common.usecases.ingest.ingest",), (reads_uploads,)),
    "recommend": (("common.usecases.recommend.service", "httptools", "uvicorn", "uvloop"), (reads_uploads, searches)),
    "update": (
        ("common.cli.app", "common.usecases.update.update", "common.usecases.operate.sweep"),
        (reads_uploads, searches),
    ),
    "train": (("common.cli.app", "common.usecases.train.train", "psycopg"), (reads_uploads, searches, fits)),
}
"""What must import in each image, and what must work."""


if __name__ == "__main__":
    confined()
    readable()
    without(sys.argv[2:])
    slimmed(Path(sysconfig.get_path("purelib")))
    no_cache()
    listed()
    modules, checks = IMAGES[sys.argv[1]]
    for module in modules:
        importlib.import_module(module)
    for check in checks:
        check()
    print("ok")
