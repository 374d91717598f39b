"""The progress bar of a run."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from common.errors import BucketUnavailable
from common.schemas.documents import RunRecord

LOOK_S = 0.5

Look = Callable[[], RunRecord | None]


def show_run(console: Console, title: str, records: Iterator[RunRecord]) -> RunRecord:
    """Draws the progress of `records`, of which there is at least one, and returns the last."""
    with _progress(console) as progress:
        task = progress.add_task(title, total=1.0, step="waiting")
        for record in records:
            _draw(progress, task, record)
    return record


@contextmanager
def drawn(console: Console, title: str, look: Look) -> Iterator[None]:
    """Draws the progress of the record that `look` finds, every `LOOK_S` seconds, while the block does the work."""
    ended = threading.Event()
    with _progress(console) as progress:
        task = progress.add_task(title, total=1.0, step="starting")
        thread = threading.Thread(target=_keep_drawing, args=(progress, task, look, ended), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()


def _keep_drawing(progress: Progress, task: TaskID, look: Look, ended: threading.Event) -> None:
    while not ended.wait(LOOK_S):
        try:
            record = look()
        except BucketUnavailable:
            continue  # only the drawing is late: the work reports its own errors
        if record is not None:
            _draw(progress, task, record)


def _draw(progress: Progress, task: TaskID, record: RunRecord) -> None:
    progress.update(task, completed=record.progress, step=record.step)


def _progress(console: Console) -> Progress:
    what, step = (TextColumn(text, markup=False) for text in ("{task.description}", "{task.fields[step]}"))
    columns = (what, BarColumn(), step, TimeElapsedColumn())
    return Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
