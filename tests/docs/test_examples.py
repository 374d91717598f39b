"""Examples in the documentation run."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from pydantic import Field

from common.models import artifact, base, space
from infra.images.__main__ import LIMITS_MB

ROOT = Path(__file__).parents[2]


def text_of(page: str) -> str:
    return (ROOT / "docs" / page).read_text()


def test_the_family_of_the_example_is_one() -> None:
    [code] = re.findall(r"```python\n(.*?)```", text_of("adapters.md"), flags=re.DOTALL)
    names: dict[str, Any] = {**vars(base), **vars(space), "Artifact": artifact.Artifact, "Field": Field}
    exec(compile(code, "docs/adapters.md", "exec"), names)
    model = names["Mine"](names["MineConfig"](factors=16))
    assert isinstance(model, base.Model)
    assert set(model.search_space) > {"factors"}


def test_every_overlay_is_in_the_installation() -> None:
    overlays = {path.parent.name for path in ROOT.glob("infra/kubernetes/*/kustomization.yaml")}
    assert overlays == set(re.findall(r"infra/kubernetes/([\w-]+)", text_of("install.md")))


def test_the_sizes_of_the_installation_are_within_the_limits() -> None:
    sizes = {name: int(size) for name, size in re.findall(r"\| `(\w+)` \| (\d+) \|", text_of("install.md"))}
    assert sizes.keys() == LIMITS_MB.keys()
    assert all(size <= LIMITS_MB[name] for name, size in sizes.items())
