"""What `recsys` says of itself: its version, its help, and the words a shell completes."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

import pytest
from typer.testing import CliRunner

from common.cli import main
from common.cli.app import app
from common.cli.completion import families
from common.models.registry import FAMILIES
from common.usecases.ingest.upload import UploadKind

COMMANDS = [info.callback.__name__.replace("_", "-") for info in app.registered_commands if info.callback]


def said(*arguments: str) -> str:
    result = CliRunner().invoke(app, arguments, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


def test_the_version_is_that_of_the_package() -> None:
    assert said("--version") == f"recsys-lite {version('recsys-lite')}\n"


@pytest.mark.parametrize("command", [(), *((command,) for command in COMMANDS)], ids=" ".join)
def test_short_and_long_help_are_the_same(command: tuple[str, ...]) -> None:
    assert said(*command, "-h") == said(*command, "--help")


def completed(*words: str) -> list[str]:
    """What bash offers for the last of `words`, by the script that `recsys` gives it."""
    script = (
        'source <(_RECSYS_COMPLETE=source_bash recsys); COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); '
        "_recsys_completion recsys; printf '%s\\n' \"${COMPREPLY[@]}\""
    )
    programs = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = ["bash", "--norc", "-c", script, "bash", "recsys", *words]
    result = subprocess.run(command, env={**os.environ, "PATH": programs}, capture_output=True, text=True, check=True)
    assert result.stderr == ""
    return result.stdout.splitlines()


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (("up",), ["upload"]),
        (("train", "--family", ""), list(FAMILIES)),
        (("train", "--family", "als", "--family", "l"), ["lightfm"]),
        (("upload", ""), list(UploadKind)),
        (("upload", "it"), ["items"]),
    ],
    ids=" ".join,
)
def test_a_shell_completes_commands_families_and_kinds(words: tuple[str, ...], offered: list[str]) -> None:
    assert completed(*words) == offered


def test_without_the_libraries_of_training_there_is_no_family_to_offer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "common.models.registry", None)
    assert families("") == []


def test_the_package_without_the_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("common.cli.find_spec", lambda name: None if name == "typer" else find_spec(name))
    with pytest.raises(SystemExit) as ended:
        main()
    assert "pip install 'recsys-lite[cli]'" in str(ended.value)
