"""What the pinned store keeps of a deleted object on its disk, and that the documented command ends it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from common.cli.erase import _VACUUM
from infra.local.object_store import ObjectStore
from tests.conftest import s3_bucket

PAGE = Path(__file__).parents[2] / "docs" / "stores.md"
DELETED = os.urandom(20_000)
"""Text would be compressed, and not be found again."""


def test_erase_tells_the_same_command_as_the_page() -> None:
    assert _VACUUM in PAGE.read_text()


def documented() -> str:
    found = re.search(r"(?m)^echo '(.*)' \| weed shell", PAGE.read_text())
    assert found is not None
    return found[1]


def holds(directory: Path) -> bool:
    return any(DELETED in path.read_bytes() for path in directory.rglob("*.dat"))


@pytest.mark.slow(lane="faults")
@pytest.mark.s3
def test_deleted_bytes_stay_in_volume_files_until_they_are_vacuumed(tmp_path: Path) -> None:
    with ObjectStore(tmp_path / "store") as store:
        bucket = s3_bucket(store, "deleted")
        bucket.create()
        bucket.put("person", DELETED)
        bucket.put("other", b"something else" * 1_000)
        bucket.delete("person")
        assert holds(tmp_path)
        weed = Path(sys.executable).parent / "weed"
        master, grpc = store.ports[1], store.ports[2]
        command = [str(weed), "shell", f"-master=127.0.0.1:{master}.{grpc}"]
        told = ""
        # A volume server reports to the master every few seconds; before it has, there is nothing to be vacuumed.
        for _ in range(20):
            shell = subprocess.run(
                command, input=documented(), capture_output=True, text=True, timeout=120, check=False
            )
            told += shell.stdout + shell.stderr
            if not holds(tmp_path):
                break
        assert not holds(tmp_path), told
        blob = bucket.get("other")
        assert blob is not None
        assert blob.data == b"something else" * 1_000
