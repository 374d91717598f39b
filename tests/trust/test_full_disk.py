"""A local disk that is full or read-only: a typed error, nothing lost, and the work is done once there is room again.

The cache and the temporary files of each function lie on a small file system of its own, which only root may mount.
"""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from common.errors import UnavailableError
from common.testing.memory import MemoryBucket
from common.usecases.erase.erase import erase
from common.usecases.ingest.ingest import drain
from common.usecases.recommend.bundle_watch import BundleWatch
from common.usecases.shared.context import Context
from common.usecases.update.update import update
from tests.memory import memory_context
from tests.shops import Event
from tests.store.shop import events_csv, keys_under, rows_of
from tests.stored import add_batch, fit, publish, served_document
from tests.trust.accounts import Account
from tests.usecases.test_update import EVENTS, ITEMS

Break = Callable[[Path], None]


def mount(*arguments: str) -> None:
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system may be mounted here: {done.stderr.strip()}")


@pytest.fixture
def disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A file system of 64 MB with the cache and all temporary files."""
    place = tmp_path / "disk"
    place.mkdir()
    mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", str(place))
    (place / "tmp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(place / "tmp"))
    yield place
    subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(disk: Path) -> None:
    with (disk / "filler").open("wb", buffering=0) as filler:
        try:
            while True:
                filler.write(b"x" * 65_536)
        except OSError:
            return


def write_protect(disk: Path) -> None:
    mount("-o", "remount,ro", str(disk))


def make_room(disk: Path) -> None:
    mount("-o", "remount,rw", str(disk))
    (disk / "filler").unlink(missing_ok=True)


pytestmark = pytest.mark.slow(lane="trust")
broken = pytest.mark.parametrize("break_disk", [fill, write_protect], ids=["full", "read-only"])


@pytest.fixture
def shop(disk: Path, tmp_path: Path) -> Context:
    """A shop that serves, on a machine that has nothing of it in its cache yet."""
    elsewhere = memory_context(tmp_path / "elsewhere", MemoryBucket())
    add_batch(elsewhere, EVENTS, ITEMS)
    publish(elsewhere, *fit(elsewhere))
    return memory_context(disk, elsewhere.bucket)


@broken
def test_ingest_leaves_the_upload_and_takes_it_later(
    shop: Context, disk: Path, break_disk: Break, account: Account
) -> None:
    rows = len(rows_of(shop))
    shop.bucket.put(f"{shop.keys.incoming_events}a.csv", events_csv("new,shoe1,2026-01-01,1"))
    break_disk(disk)
    with pytest.raises(UnavailableError):
        drain(shop)
    assert keys_under(shop, "incoming/") == ["incoming/events/a.csv"]
    assert keys_under(shop, "quarantine/") == []
    make_room(disk)
    drain(shop)
    assert len(rows_of(shop)) == rows + 1
    account(disks_broken=1)


@broken
def test_update_serves_the_batch_later(shop: Context, disk: Path, break_disk: Break, account: Account) -> None:
    stored = add_batch(shop, [Event("u01", "shoe1", 20)])
    served = served_document(shop)
    break_disk(disk)
    with pytest.raises(UnavailableError):
        update(shop)
    assert served_document(shop) == served
    make_room(disk)
    update(shop)
    assert served_document(shop).bundle.covers_seq == stored.seq
    account(disks_broken=1)


@broken
def test_an_erasure_is_completed_later(shop: Context, disk: Path, break_disk: Break, account: Account) -> None:
    rows = len(rows_of(shop))
    break_disk(disk)
    with pytest.raises(UnavailableError):
        erase(shop, ["u01"])
    assert len(keys_under(shop, "erasures/requests/")) == 1
    make_room(disk)
    drain(shop)
    assert keys_under(shop, "erasures/requests/") == []
    assert len(rows_of(shop)) < rows
    account(disks_broken=1)


@broken
def test_a_model_is_published_later(shop: Context, disk: Path, break_disk: Break, account: Account) -> None:
    artifact = fit(shop)
    served = served_document(shop)
    break_disk(disk)
    with pytest.raises(UnavailableError):
        publish(shop, *artifact)
    assert served_document(shop) == served
    make_room(disk)
    publish(shop, *artifact)
    assert served_document(shop).bundle.bundle_id != served.bundle.bundle_id
    account(disks_broken=1)


@broken
def test_recommend_serves_what_it_has_and_the_new_version_later(
    shop: Context, tmp_path: Path, disk: Path, break_disk: Break, account: Account
) -> None:
    watch = BundleWatch(shop)
    watch.refresh()
    before = watch.current
    assert before is not None
    elsewhere = memory_context(tmp_path / "elsewhere", shop.bucket)
    publish(elsewhere, *fit(elsewhere))
    break_disk(disk)
    watch.refresh()
    assert watch.current is before
    make_room(disk)
    if watch.refusal is not None:  # it is tried again a minute later; a process that starts tries at once
        watch = BundleWatch(shop)
    watch.refresh()
    assert watch.current is not None
    assert watch.current.document == served_document(shop).bundle
    account(disks_broken=1)
