"""Each function alone, by the command line that docs/develop.md gives."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.local.calls import Answer, call
from infra.local.ports import HOST, free_ports

ROOT = Path(__file__).parents[2]
DEADLINE_S = 30.0
COMMANDS = re.findall(r"(?m)^functions-framework .*--target (\w+)$", (ROOT / "docs" / "develop.md").read_text())


def command_of(function: str) -> list[str]:
    page = (ROOT / "docs" / "develop.md").read_text()
    line = re.search(rf"(?m)^functions-framework .*--target {function}$", page)
    assert line is not None
    program, *arguments = line[0].split()
    return [str(Path(sys.executable).parent / program), *arguments]


@pytest.fixture(params=COMMANDS)
def function(request: pytest.FixtureRequest, environment: dict[str, str], tmp_path: Path) -> Iterator[tuple[str, str]]:
    """Name and address of a function that answers."""
    port = free_ports()["recommend"]
    env = {"PATH": os.environ["PATH"], "HOME": str(tmp_path), "HOST": HOST, "PORT": str(port)}
    with subprocess.Popen(command_of(request.param), cwd=ROOT, env=env | environment) as process:
        url = f"http://{HOST}:{port}"
        deadline = time.monotonic() + DEADLINE_S
        while call("GET", f"{url}/healthz") is None:
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield request.param, url
        process.terminate()


def test_every_function_is_documented() -> None:
    assert sorted(COMMANDS) == sorted(
        path.name for path in (ROOT / "functions").iterdir() if (path / "main.py").exists()
    )


def test_it_answers_an_empty_shop_as_it_should(function: tuple[str, str], environment: dict[str, str]) -> None:
    name, url = function
    health = call("GET", f"{url}/healthz")
    assert health is not None
    assert health.status == 200
    answer = _ask(name, url, environment)
    expected = {
        "recommend": (503, "not_ready"),
        "train": (200, "refused"),
        "ingest": (200, "[]"),
        "update": (200, "done"),
    }
    status, word = expected[name]
    assert answer.status == status
    assert word in answer.body.decode()


def _ask(name: str, url: str, environment: dict[str, str]) -> Answer:
    headers = {"Authorization": f"Bearer {environment['RECSYS_TRIGGER_TOKEN']}"}
    if name == "recommend":
        answer = call("GET", f"{url}/v1/recommendations")
    else:
        answer = call("POST", url, body=b"", headers=headers, timeout_s=DEADLINE_S)
    assert answer is not None
    return answer
