"""The steps on one host, from docs/install.md: what of them needs no Docker engine is run as it stands there."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from infra.local.calls import call
from infra.local.ports import free_ports
from infra.local.stack import ROOT, Stack

TEXT = (ROOT / "docs" / "install.md").read_text()
COMPOSE = yaml.safe_load((ROOT / "infra" / "compose.yaml").read_text())
[STEPS] = re.findall(r"## One host, with Docker\n(.*?)\n## ", TEXT, flags=re.DOTALL)
BLOCKS = [re.sub(r"(?m)^   ", "", block) for block in re.findall(r" *```sh\n(.*?) *```", STEPS, flags=re.DOTALL)]
COMMANDS = [line for block in BLOCKS for line in block.replace("\\\n", " ").splitlines()]
COMPOSED = [shlex.split(line) for line in COMMANDS if line.startswith("docker compose ")]
OPTIONS = {"--detach", "--build", "--rm", "--no-deps", "--volume"}
"""Of `docker compose up` and `run`, as its reference of version 2 lists them."""


def recsys_of(command: list[str]) -> list[str]:
    """What runs in the container; empty where the command is Docker's own."""
    return command[command.index("recsys") :] if "recsys" in command else []


def test_every_command_names_the_file_and_a_service_that_is_there() -> None:
    assert len(COMPOSED) == 8
    for command in COMPOSED:
        assert command[:4] == ["docker", "compose", "--file", "infra/compose.yaml"]
        given, own = command[5 : len(command) - len(recsys_of(command))], command[4]
        assert own in ("up", "logs", "ps", "run")
        assert {part for part in given if part.startswith("--")} <= OPTIONS
        if own in ("logs", "run"):
            assert given[-1] in COMPOSE["services"]


def test_what_is_run_is_in_the_image_of_its_service() -> None:
    for command in COMPOSED:
        if recsys_of(command):
            service = COMPOSE["services"][command[command.index("recsys") - 1]]
            assert service["image"].split("/")[1].split(":")[0] in ("update", "train")
            assert ("train" in recsys_of(command)) <= service["image"].startswith("recsys-lite/train")


def test_every_empty_setting_is_one_that_the_step_asks_for() -> None:
    example = (ROOT / "infra" / "example.env").read_text()
    assert {"SITE", "SHOP_ORIGIN"} <= set(re.findall(r"`(\w+)`", STEPS))
    assert all(name.endswith(("KEY", "TOKEN")) for name in re.findall(r"(?m)^(\w+)=$", example))


@pytest.mark.slow(lane="stack")
def test_the_steps_lead_to_a_served_recommendation(tmp_path: Path) -> None:
    [made_up] = [block for block in BLOCKS if "awk" in block]
    subprocess.run(["sh", "-euc", made_up], cwd=tmp_path, check=True)
    budget = {"RECSYS_TRAIN_FAMILIES": "als", "RECSYS_TUNE_TRIALS": "0"}
    with Stack(tmp_path / "stack", ports=free_ports(), replaced=budget) as stack:
        environment = {**stack.environment.of_operator(), "PATH": os.environ["PATH"]}
        outputs = []
        for command in filter(None, map(recsys_of, COMPOSED)):
            here = [part.replace("/data/", f"{tmp_path}/data/") for part in command]
            program = Path(sys.executable).with_name(here[0])
            run = subprocess.run(
                [str(program), *here[1:]], env=environment, cwd=tmp_path, capture_output=True, text=True, check=False
            )
            assert run.returncode == 0, (command, run.stdout, run.stderr)
            outputs.append(run.stdout)
        answer = call("GET", f"{stack.url('recommend')}/v1/popular?n=5")
    assert all("rows refused 0" in output for output in outputs[:2])
    assert "sku-" in outputs[3]
    assert answer is not None
    assert answer.status == 200
    assert len(answer.json()["items"]) == 5
