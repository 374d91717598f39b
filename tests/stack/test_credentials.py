from __future__ import annotations

import stat
from pathlib import Path

from infra.local.credentials import Credentials
from infra.local.manifest import SecretRef

PEOPLE = SecretRef("recsys-people", "pseudonym-key")
TOKEN = SecretRef("recsys-tokens", "trigger-token")


def test_values_survive_a_restart_and_new_ones_join_them(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    first = Credentials(path)
    first.ensure([PEOPLE])
    second = Credentials(path)
    second.ensure([PEOPLE, TOKEN])
    assert second.value(PEOPLE) == first.value(PEOPLE)
    assert second.value(TOKEN) != second.value(PEOPLE)


def test_nobody_else_can_read_the_file(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    Credentials(path).ensure([PEOPLE])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
