"""Checks what GitHub, Dependabot, pre-commit and development containers read of the repository, by published schemas
and a linter, without the network. `make lint` runs it: python -m tests.stack.front_door"""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import check_jsonschema  # type: ignore[import-untyped]
import yaml
from click.testing import CliRunner

ROOT = Path(__file__).parents[2]
PROGRAMS = Path(sysconfig.get_path("scripts"))
DEVCONTAINER = Path(__file__).with_name("schemas") / "devContainer.base.schema.json"

SCHEMAS = {
    ".github/workflows/*.yml": ("--builtin-schema", "vendor.github-workflows"),
    ".github/workflows/[a-z]*.yml": ("--builtin-schema", "custom.github-workflows-require-timeout"),
    ".github/dependabot.yml": ("--builtin-schema", "vendor.dependabot"),
    ".github/ISSUE_TEMPLATE/config.yml": ("--builtin-schema", "vendor.github-issue-config"),
    ".github/ISSUE_TEMPLATE/[!c]*.yml": ("--builtin-schema", "vendor.github-issue-forms"),
    ".devcontainer/devcontainer.json": ("--schemafile", str(DEVCONTAINER)),
}
"""Files → the option of check-jsonschema that names their schema."""


def problems(root: Path = ROOT) -> Iterator[str]:
    """What is wrong below `root`, each as its tool says it; the quickest check comes first."""
    for check in (_by_reference, _by_schema, _by_linter, _by_pre_commit):
        yield from check(root)


def _by_schema(root: Path) -> Iterator[str]:
    for pattern, option in SCHEMAS.items():
        files = sorted(root.glob(pattern))
        if not files:
            yield f"there is no {pattern}"
        else:
            result = CliRunner().invoke(check_jsonschema.main, [*option, *map(str, files)])
            yield from [] if result.exit_code == 0 else [result.output.strip()]


def _by_linter(root: Path) -> Iterator[str]:
    """zizmor looks for rights that are too wide, actions that are not pinned, and text that becomes a command."""
    options = ("--offline", "--quiet", "--no-progress", "--strict-collection", "--persona=pedantic", "--collect=all")
    yield from _failure("zizmor", *options, root / ".github", root / ".pre-commit-config.yaml")


def _by_pre_commit(root: Path) -> Iterator[str]:
    yield from _failure("pre-commit", "validate-config", root / ".pre-commit-config.yaml")


def _failure(program: str, *arguments: str | Path) -> list[str]:
    command = [str(PROGRAMS / program), *map(str, arguments)]
    result = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    return [] if result.returncode == 0 else [f"{program}: {(result.stdout + result.stderr).strip()}"]


def _by_reference(root: Path) -> Iterator[str]:
    """What a workflow names is there: jobs, steps, columns of the matrix, and commands of the Makefile."""
    targets = set(re.findall(r"(?m)^([a-z-]+):", (ROOT / "Makefile").read_text()))
    for path in sorted(root.glob(".github/workflows/*.yml")):
        jobs = yaml.safe_load(path.read_text())["jobs"]
        for name, job in jobs.items():
            yield from (f"{path.name}, {name}: there is no {missing}" for missing in _missing(job, set(jobs), targets))


def _missing(job: Any, jobs: set[str], targets: set[str]) -> Iterator[str]:
    needed = job.get("needs", [])
    needed = {needed} if isinstance(needed, str) else set(needed)
    there = {
        "needs": needed & jobs,
        "matrix": set(job.get("strategy", {}).get("matrix", {})),
        "steps": {step["id"] for step in job["steps"] if "id" in step},
    }
    yield from (f"job {name}" for name in sorted(needed - jobs))
    text = yaml.safe_dump(job, width=10_000)
    for context, name in sorted(set(re.findall(r"\b(needs|matrix|steps)\.([\w-]+)", text))):
        if name not in there[context]:
            yield f"{context}.{name}"
    yield from (f"make {name}" for name in sorted(set(re.findall(r"\bmake ([a-z-]+)", text)) - targets))


if __name__ == "__main__":
    sys.exit("\n".join(problems()) or 0)
