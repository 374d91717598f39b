"""The public data sets that configurations are kept for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Final

from tests.eval.files import lists_task, session_task
from tests.eval.tasks import Task


def _lists(directory: Path) -> Task:
    return lists_task(directory / "train.txt", directory / "test.txt")


def _sessions(directory: Path) -> Task:
    return session_task(directory / "train_sessions.txt", directory / "test_prefix_target.tsv")


_READERS: Final[dict[str, Callable[[Path], Task]]] = {
    "amazon_electronics_small": _lists,
    "gowalla": _lists,
    "yoochoose1_64": _sessions,
}


class NoData(Exception):
    """The message is all that a person needs to know."""


def known_task(data: str, data_dir: Path) -> Task:
    directory = data_dir / data
    if not directory.is_dir():
        raise NoData(
            f"{directory.absolute()} is not there. The public data sets are not part of the project: put them in a "
            "directory and name it with --data-dir or EVAL_DATA."
        )
    return _READERS[data](directory)
