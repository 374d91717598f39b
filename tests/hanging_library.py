"""Libraries that hang, in the worker of a training: `sitecustomize` runs in each new process before all else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

_SITE = """
import json, os
if "HANGS" in os.environ:
    import ctypes, signal, time
    place, family, ended, how = json.loads(os.environ["HANGS"])

    def hang():
        if how == "no memory":
            raise MemoryError
        if how == "too much memory":
            os.kill(os.getpid(), signal.SIGKILL)
        if how == "crash":
            os.kill(os.getpid(), signal.SIGSEGV)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        if how == "busy":
            while True:
                pass
        while True:  # in a call of C, which keeps the interpreter's lock
            ctypes.PyDLL(None).sleep(1000)

    from common.models.artifact import Artifact
    from common.models.registry import FAMILIES
    from common.usecases.train import evaluator

    def hanging(work, family_of):
        done = 0
        def worked(*arguments, **options):
            nonlocal done
            if family_of(*arguments) == family:
                done += 1
                if done > ended:
                    hang()
            return work(*arguments, **options)
        return worked

    if place == "fit":
        kind = FAMILIES[family]
        kind.fit = hanging(kind.fit, lambda model, *_: model.family)
    if place == "score":
        evaluator.judge = hanging(evaluator.judge, lambda artifact, *_: artifact.family)
    if place == "save":
        Artifact.save = hanging(Artifact.save, lambda artifact, *_: artifact.family)
    if place == "baseline":
        from common.evaluation.baselines import BASELINES
        [kind] = [kind for kind in BASELINES if kind.name == family]
        kind.__init__ = hanging(kind.__init__, lambda *_: family)
"""


def hang(
    monkeypatch: pytest.MonkeyPatch, directory: Path, family: str, *, place: str = "fit", ended: int = 0, how: str = "C"
) -> None:
    """Lets the worker hang in the family's fits, scoring or saving after the first `ended` of them.

    how: in "C" that keeps the interpreter's lock, "busy" in Python, or it ends by "no memory", "too much memory" (the
    system's kill) or a "crash".
    """
    directory.mkdir(exist_ok=True)
    (directory / "sitecustomize.py").write_text(_SITE)
    monkeypatch.syspath_prepend(directory)
    plan: tuple[Any, ...] = (place, family, ended, how)
    monkeypatch.setenv("HANGS", json.dumps(plan))
