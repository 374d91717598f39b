"""What GitHub and development containers read of the repository is right, and each check of it can fail."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from infra.local.ports import DEFAULT_PORTS
from tests.stack.front_door import PROGRAMS, ROOT, problems

CI = ".github/workflows/ci.yml"
RELEASE = ".github/workflows/release.yml"
BUG = ".github/ISSUE_TEMPLATE/bug.yml"


def test_there_is_nothing_to_complain_of() -> None:
    assert list(problems()) == []


FAULTS: dict[str, tuple[str, str, str, str]] = {
    "a wrong key of a workflow": (CI, "permissions: {}\n", "permissions: {}\nenvironments: {}\n", "environments"),
    "a wrong key of a job": (CI, "runs-on: ubuntu-24.04", "run-on: ubuntu-24.04", "run-on"),
    "a wrong key of a step": (CI, "with:", "wiht:", "wiht"),
    "a wrong event": (CI, "pull_request:", "pull_requests:", "pull_requests"),
    "a job without a limit of time": (CI, "timeout-minutes: 30", "", "timeout-minutes"),
    "an action that is not pinned": (CI, "@3d3c42e5aac5ba805825da76410c181273ba90b1", "@v7", "unpinned"),
    "a right that every job has": (RELEASE, "permissions: {}", "permissions: write-all", "excessive-permissions"),
    "a key left on the disk": (CI, "persist-credentials: false", "fetch-depth: 1", "artipacked"),
    "a stranger's text as a command": (CI, "bash .ci/run", "echo ${{ github.head_ref }}", "template-injection"),
    "a job that is not there": (RELEASE, "needs: provenance", "needs: provenence", "no job provenence"),
    "a result that is not there": (RELEASE, "steps.index", "steps.indx", "no steps.indx"),
    "a column that is not there": (CI, "matrix.python", "matrix.pyhton", "no matrix.pyhton"),
    "a command that is not there": (CI, "make release-check", "make relase-check", "no make relase-check"),
    "a wrong key of a form": (BUG, "validations:", "validation:", "validation"),
    "a field without a label": (BUG, "label: Version", "placeholder: Version", "label"),
    "a wrong key of the forms": (".github/ISSUE_TEMPLATE/config.yml", "blank_issues_", "blank_isues_", "blank_isues"),
    "a wrong interval": (".github/dependabot.yml", "interval: weekly", "interval: sometimes", "sometimes"),
    "a wrong key of a hook": (".pre-commit-config.yaml", "entry:", "entri:", "entry"),
    "a wrong key of the container": (".devcontainer/devcontainer.json", "forwardPorts", "forwardedPorts", "forwarded"),
}


@pytest.mark.parametrize("name", FAULTS)
def test_a_fault_is_found(name: str, tmp_path: Path) -> None:
    file, old, new, mentioned = FAULTS[name]
    for part in (".github", ".devcontainer"):
        shutil.copytree(ROOT / part, tmp_path / part)
    shutil.copy(ROOT / ".pre-commit-config.yaml", tmp_path)
    text = (tmp_path / file).read_text()
    assert old in text
    (tmp_path / file).write_text(text.replace(old, new))
    assert any(mentioned in problem for problem in problems(tmp_path))


def test_every_tested_python_is_one_that_the_package_names() -> None:
    matrix = yaml.safe_load((ROOT / CI).read_text())["jobs"]["unit"]["strategy"]["matrix"]["python"]
    named = re.findall(r'"Programming Language :: Python :: (3\.\d+)"', (ROOT / "pyproject.toml").read_text())
    assert matrix == named


def test_a_release_publishes_without_building() -> None:
    """Whoever gets into what a build runs gets no right to publish with it."""
    jobs = yaml.safe_load((ROOT / RELEASE).read_text())["jobs"]
    publishing = [job for job in jobs.values() if "write" in job["permissions"].values()]
    assert len(publishing) >= 4
    for job in publishing:
        assert not re.search(r"\b(make|pip|npm ci|docker build)\b", yaml.safe_dump(job["steps"]))


def test_the_container_forwards_the_ports_of_the_local_stack() -> None:
    container = json.loads((ROOT / ".devcontainer/devcontainer.json").read_text())
    assert container["forwardPorts"] == list(DEFAULT_PORTS.values())
    assert container["portsAttributes"].keys() == {str(port) for port in DEFAULT_PORTS.values()}
    assert container["image"] in (ROOT / "infra/images/Containerfile").read_text()


def test_a_commit_that_lint_would_refuse_is_stopped(tmp_path: Path) -> None:
    for name in (".pre-commit-config.yaml", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    (tmp_path / ".venv").symlink_to(sys.prefix)
    (tmp_path / "unused.py").write_text("import os\n")
    for command in (["git", "init", "--quiet"], ["git", "add", "unused.py", ".pre-commit-config.yaml"]):
        subprocess.run(command, cwd=tmp_path, check=True)
    env = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path), "PRE_COMMIT_HOME": str(tmp_path / "cache")}
    command = [str(PROGRAMS / "pre-commit"), "run", "ruff-check", "--all-files"]
    result = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert result.returncode == 1
    assert "`os` imported but unused" in result.stdout
