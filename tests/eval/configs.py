"""Configurations that are kept: `tests/eval/configs/<data>-<model>.json`."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

CONFIGS: Final = Path(__file__).with_name("configs")


@dataclass(frozen=True)
class Config:
    """`seeds` has several where the model is random; `found` says how the parameters were come by, and `measured` what
    they gave when they were kept: each metric's mean over the seeds."""

    data: str
    model: str
    params: dict[str, Any]
    seeds: tuple[int, ...]
    found: str
    measured: dict[str, float]


def read_configs(data: str | None = None, model: str | None = None) -> list[Config]:
    """Those of one data set or model, or all."""
    paths = sorted(CONFIGS.glob(f"{data or '*'}-{model or '*'}.json"))
    return [_read(path) for path in paths]


def _read(path: Path) -> Config:
    data, model = path.stem.rsplit("-", 1)
    content = json.loads(path.read_text())
    return Config(data=data, model=model, **content | {"seeds": tuple(content["seeds"])})
