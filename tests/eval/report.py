"""Results as JSON files and as one table."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from tests.eval.judging import Result
from tests.eval.published import METRICS, REFERENCES, Reference


def write(results: Sequence[Result], data: str, path: Path, extra: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    content = {"data": data, "mean": mean(results), "results": [asdict(result) for result in results], **extra}
    path.write_text(json.dumps(content, indent=1))


def mean(results: Sequence[Result]) -> dict[str, float]:
    """Each metric over the seeds."""
    return {name: float(np.mean([result.metrics[name] for result in results])) for name in results[0].metrics}


def line(results: Sequence[Result], data: str) -> str:
    """One model's line of the table: its figures over the seeds, and whether they reach what was published."""
    means = mean(results)
    names = METRICS.get(data, tuple(means)[:2])
    spread = ""
    if len(results) > 1:
        low, high = (bound(result.metrics[names[0]] for result in results) for bound in (min, max))
        spread = f" ({low:.4f} to {high:.4f} over {len(results)} seeds)"
    figures = " ".join(f"{name} {means[name]:.4f}" for name in names)
    cost = f"fit {results[0].fit_s:.0f} s, {results[0].fit_cpu_s:.0f} CPU s, peak {results[0].peak_mb} MB"
    reference = REFERENCES.get((data, results[0].model))
    verdict = _verdict(tuple(means[name] for name in names), reference) if reference else ""
    return f"{data:26}{results[0].model:10}{figures}{spread}; {cost}{verdict}"


def _verdict(found: Sequence[float], reference: Reference) -> str:
    parts = []
    for target, (figures, whose) in zip(("reach", "aim"), reference.targets, strict=True):
        if figures is None:
            continue
        margins = [have / want - 1 for have, want in zip(found, figures, strict=True)]
        wanted = " / ".join(f"{figure:.4f}" for figure in figures)
        held = " / ".join(f"{margin:+.1%}" for margin in margins)
        parts.append(f"{target} {wanted} ({whose}): {held}")
    return "; " + "; ".join(parts)
