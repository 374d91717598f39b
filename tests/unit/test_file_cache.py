from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from common.bucket import cache, file_checks
from common.bucket.cache import GRACE_S, IDLE_S, FileCache
from common.bucket.crash_marks import DIRECTORY, CrashMarks
from common.bucket.file_checks import CHUNK_BYTES, WHOLE_BYTES, sums_path, write_sums
from common.bucket.port import ObjectInfo
from common.errors import BucketUnavailable, CorruptError, UnavailableError
from common.ids import sha256_of_bytes
from common.schemas.documents import FileRef
from common.testing.faults import Fault, FaultyBucket, ProcessKilled, Rule
from common.testing.memory import MemoryBucket
from tests.damage import DAMAGES, Damage, cut, empty, flip, make_link, make_unreadable


@dataclass
class Counted(FaultyBucket):
    """`fetched` are the keys of the files that were fetched from it."""

    fetched: list[str] = field(default_factory=list)

    def fetch(self, key: str, path: Path) -> ObjectInfo | None:
        self.fetched.append(key)
        return super().fetch(key, path)


class Cache:
    """A cache on a bucket that counts what is fetched from it, with a clock of its own."""

    def __init__(self, root: Path, max_bytes: int = 1 << 20) -> None:
        self.root = root
        self.bucket = Counted(MemoryBucket())
        self.time = 1_000_000_000.0
        self.files = FileCache(root, max_bytes, lambda: self.time)
        self.fetched = self.bucket.fetched

    def add(self, content: bytes, key: str = "") -> FileRef:
        sha256 = sha256_of_bytes(content)
        ref = FileRef(key=key or f"serving/files/{sha256}", sha256=sha256, bytes=len(content))
        self.bucket.put(ref.key, content)
        return ref

    def fetch(self, ref: FileRef) -> Path:
        return self.files.fetch(self.bucket, ref)

    def restart(self) -> FileCache:
        """The cache as another process on this machine has it."""
        return FileCache(self.root, 1 << 30, lambda: self.time)

    def has(self, ref: FileRef) -> bool:
        return (self.root / ref.sha256).exists()


@pytest.fixture
def kept(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


def test_a_file_is_fetched_once_and_by_content(kept: Cache) -> None:
    ref = kept.add(b"content")
    path = kept.fetch(ref)
    assert path.read_bytes() == b"content"
    assert kept.fetch(ref) == path
    assert kept.fetch(ref.model_copy(update={"key": "another/key"})) == path
    assert kept.fetched == [ref.key]


def test_another_process_finds_the_file_and_reads_a_sample_of_a_large_one(
    kept: Cache, monkeypatch: pytest.MonkeyPatch
) -> None:
    small, large = kept.add(b"content"), kept.add(os.urandom(WHOLE_BYTES + 1))
    paths = [kept.fetch(small), kept.fetch(large)]
    assert not sums_path(paths[1]).exists(), "its sums are not worth a slower first start"
    for _ in range(2):
        restarted = kept.restart()
        assert [restarted.fetch(kept.bucket, ref) for ref in (small, large)] == paths
    assert sums_path(paths[1]).exists()
    monkeypatch.setattr(file_checks, "is_whole", lambda _path, ref: ref == small)
    assert kept.restart().fetch(kept.bucket, large) == paths[1]
    assert kept.fetched == [small.key, large.key]


def test_a_file_that_was_written_here_is_not_fetched(kept: Cache, tmp_path: Path) -> None:
    ref = kept.add(b"before")
    kept.fetch(ref)
    written = kept.add(b"written here")
    own = tmp_path / "own"
    own.write_bytes(b"written here")
    kept.files.keep(written, own)
    kept.files.keep(written, own)
    own.unlink()
    assert kept.fetch(written).read_bytes() == b"written here"
    assert kept.fetched == [ref.key]


@pytest.mark.parametrize("content", [b"tampered", b"longer than it was", b""])
def test_a_damaged_object_is_refused_by_its_key(kept: Cache, content: bytes) -> None:
    ref = kept.add(b"original")
    kept.bucket.put(ref.key, content)
    with pytest.raises(CorruptError, match=ref.key):
        kept.fetch(ref)
    assert not kept.has(ref)
    kept.bucket.put(ref.key, b"original")
    assert kept.fetch(ref).read_bytes() == b"original"


def test_a_reference_of_another_length_is_refused(kept: Cache) -> None:
    ref = kept.add(b"content")
    with pytest.raises(CorruptError, match="7 bytes instead of 8"):
        kept.fetch(ref.model_copy(update={"bytes": 8}))


def test_a_missing_object_is_refused_by_its_key(kept: Cache) -> None:
    ref = kept.add(b"content")
    kept.bucket.delete(ref.key)
    with pytest.raises(CorruptError, match=ref.key):
        kept.fetch(ref)


@pytest.mark.parametrize(
    ("fault", "raised"),
    [
        (Fault.TRUNCATE, CorruptError),
        (Fault.FAIL_BEFORE, BucketUnavailable),
        (Fault.CRASH_BEFORE, ProcessKilled),
        (Fault.CRASH_AFTER, ProcessKilled),
    ],
)
def test_a_fetch_that_fails_leaves_nothing_under_the_final_name(
    kept: Cache, fault: Fault, raised: type[BaseException]
) -> None:
    ref = kept.add(b"content")
    kept.bucket.script.append(Rule("fetch", fault))
    with pytest.raises(raised):
        kept.fetch(ref)
    assert not kept.has(ref)
    assert kept.fetch(ref).read_bytes() == b"content"


def test_a_file_cut_short_on_the_disk_is_fetched_again(kept: Cache) -> None:
    ref = kept.add(b"content")
    path = kept.fetch(ref)
    path.write_bytes(b"con")
    assert kept.fetch(ref).read_bytes() == b"content"


def test_what_nobody_asked_for_in_a_week_goes_though_there_is_room(kept: Cache) -> None:
    old, used = kept.add(b"old"), kept.add(b"used")
    kept.fetch(old), kept.fetch(used)
    kept.time += IDLE_S - 1
    kept.fetch(used)
    assert kept.has(old)
    kept.time += 2
    kept.fetch(kept.add(b"new"))
    assert (kept.has(old), kept.has(used)) == (False, True)


def test_a_directory_that_cannot_be_written_is_said(kept: Cache, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the directory should be")
    with pytest.raises(UnavailableError, match="cache"):
        kept.fetch(kept.add(b"content"))


class TestDamage:
    @pytest.mark.parametrize("damage", DAMAGES)
    @pytest.mark.parametrize("size", [1_000, 3 * CHUNK_BYTES + 17])
    def test_a_damaged_file_is_fetched_anew_at_a_start(
        self, kept: Cache, damage: Damage, size: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The larger one by its sample, which has all of its four chunks."""
        monkeypatch.setattr(file_checks, "WHOLE_BYTES", 1_000)
        content = os.urandom(size)
        ref = kept.add(content)
        path = kept.fetch(ref)
        write_sums(path, size)
        damage(path)
        assert kept.restart().fetch(kept.bucket, ref).read_bytes() == content
        assert len(kept.fetched) <= 2

    def test_a_file_that_is_damaged_in_the_bucket_too_is_refused_by_its_key(self, kept: Cache) -> None:
        ref = kept.add(b"content")
        flip(kept.fetch(ref))
        kept.bucket.put(ref.key, b"CONTENT")
        for _ in range(2):
            with pytest.raises(CorruptError, match=ref.key):
                kept.restart().fetch(kept.bucket, ref)
            assert not kept.has(ref)

    @pytest.mark.parametrize("damage", DAMAGES)
    def test_reading_everything_finds_what_a_sample_has_missed(self, kept: Cache, damage: Damage) -> None:
        whole, damaged, gone = (kept.add(os.urandom(WHOLE_BYTES + number)) for number in (1, 2, 3))
        for ref in (whole, damaged):
            kept.fetch(ref)
        damage(kept.root / damaged.sha256)
        found = kept.files.discard_damaged([whole, damaged, gone])
        unseen = damage is make_link or (damage is make_unreadable and os.geteuid() == 0)
        assert found == ([] if unseen else [damaged])
        assert kept.fetch(damaged).read_bytes() == kept.bucket.get(damaged.key).data  # type: ignore[union-attr]
        assert kept.has(whole)
        assert sums_path(kept.root / whole.sha256).exists()

    def test_damaged_sums_cost_a_reading_and_no_fetch(self, kept: Cache) -> None:
        ref = kept.add(os.urandom(WHOLE_BYTES + 1))
        path = kept.fetch(ref)
        write_sums(path, ref.bytes)
        for damage in (flip, cut, empty):
            damage(sums_path(path))
            assert kept.restart().fetch(kept.bucket, ref) == path
        assert kept.fetched == [ref.key]

    def test_nobody_may_write_to_a_file(self, kept: Cache, tmp_path: Path) -> None:
        fetched, written = kept.add(b"fetched"), kept.add(b"written here")
        own = tmp_path / "own"
        own.write_bytes(b"written here")
        kept.files.keep(written, own)
        for ref in (fetched, written):
            assert kept.fetch(ref).stat().st_mode & 0o777 == 0o444
        assert kept.root.stat().st_mode & 0o777 == 0o700

    def test_what_too_many_open_files_prevent_is_no_damage(self, kept: Cache, monkeypatch: pytest.MonkeyPatch) -> None:
        ref = kept.add(b"content")
        kept.fetch(ref)

        def fail(*_: object) -> bool:
            raise OSError(errno.EMFILE, "too many open files")

        monkeypatch.setattr(cache, "looks_whole", fail)
        with pytest.raises(UnavailableError):
            kept.restart().fetch(kept.bucket, ref)
        assert kept.has(ref)


class TestMarks:
    """After a fault no file is trusted before it was read whole."""

    @pytest.fixture
    def missed(self, kept: Cache) -> FileRef:
        """A large file whose damage no sample finds, because its sums were taken after it."""
        ref = kept.add(os.urandom(WHOLE_BYTES + 1))
        path = kept.fetch(ref)
        flip(path)
        write_sums(path, ref.bytes)
        flipped = path.read_bytes()
        assert kept.restart().fetch(kept.bucket, ref).read_bytes() == flipped
        return ref

    def is_healed(self, kept: Cache, ref: FileRef) -> bool:
        blob = kept.bucket.get(ref.key)
        assert blob is not None
        return kept.restart().fetch(kept.bucket, ref).read_bytes() == blob.data

    def test_a_process_that_died_of_a_fault_leaves_one(self, kept: Cache, missed: FileRef) -> None:
        done = subprocess.run([sys.executable, "-c", DYING, str(kept.root), "SIGBUS"], check=False)
        assert done.returncode == -signal.SIGBUS
        assert self.is_healed(kept, missed)
        assert list((kept.root / DIRECTORY).iterdir()) == []

    def test_a_process_that_was_killed_leaves_none(self, kept: Cache, missed: FileRef) -> None:
        subprocess.run([sys.executable, "-c", DYING, str(kept.root), "SIGKILL"], check=False)
        assert not self.is_healed(kept, missed)
        assert list((kept.root / DIRECTORY).iterdir()) == []

    def test_a_process_that_lives_leaves_none(self, kept: Cache, missed: FileRef) -> None:
        own = CrashMarks(kept.root)._new()
        own.write(b"not of an ended process")
        own.flush()
        assert not self.is_healed(kept, missed)
        assert len(list((kept.root / DIRECTORY).iterdir())) == 1
        own.close()

    def test_whoever_could_not_read_what_it_fetched_leaves_one(self, kept: Cache, missed: FileRef) -> None:
        kept.files.distrust("update: no such block")
        assert self.is_healed(kept, missed)
        assert kept.fetch(missed)

    def test_a_cache_that_cannot_be_written_is_no_reason_to_fail(self, tmp_path: Path) -> None:
        (tmp_path / "cache").write_text("a file where the directory should be")
        marks = CrashMarks(tmp_path / "cache")
        marks.leave("reason")
        marks.watch()
        assert marks.take() == []


DYING = """
import os, signal, sys
from pathlib import Path
from common.bucket.cache import FileCache
cache = FileCache(Path(sys.argv[1]), 1 << 30)
cache.mark_faults()
os.kill(os.getpid(), getattr(signal, sys.argv[2]))
"""


class TestEviction:
    @pytest.fixture
    def small(self, tmp_path: Path) -> Cache:
        return Cache(tmp_path / "cache", max_bytes=250)

    def test_the_least_recently_used_goes_first(self, small: Cache) -> None:
        first, second, third = (small.add(bytes([number]) * 100) for number in range(3))
        small.fetch(first)
        small.time += 1
        small.fetch(second)
        small.time += 1
        small.fetch(first)
        small.time += GRACE_S + 1
        small.fetch(third)
        assert [small.has(ref) for ref in (first, second, third)] == [True, False, True]

    def test_what_was_just_handed_out_stays_though_the_bound_is_passed(self, small: Cache) -> None:
        refs = [small.add(bytes([number]) * 100) for number in range(5)]
        for ref in refs:
            small.fetch(ref)
        assert all(small.has(ref) for ref in refs)
        small.time += GRACE_S + 1
        small.fetch(small.add(b"one more"))
        assert sum(small.has(ref) for ref in refs) == 2

    def test_an_open_file_outlives_its_eviction(self, small: Cache) -> None:
        first = small.add(b"a" * 200)
        with small.fetch(first).open("rb") as file:
            small.time += GRACE_S + 1
            small.fetch(small.add(b"b" * 200))
            assert not small.has(first)
            assert file.read() == b"a" * 200

    def test_what_a_dead_process_left_half_fetched_goes_too(self, small: Cache) -> None:
        small.fetch(small.add(b"content"))
        left = small.root / "0123.partial"
        left.write_bytes(b"x" * 300)
        os.utime(left, (small.time, small.time))
        small.time += GRACE_S + 1
        small.fetch(small.add(b"another"))
        assert not left.exists()


def test_threads_that_want_the_same_file_fetch_it_once(kept: Cache) -> None:
    ref = kept.add(os.urandom(1 << 20))
    start = threading.Barrier(8)

    def fetch(_: int) -> bytes:
        start.wait()
        return kept.fetch(ref).read_bytes()

    with ThreadPoolExecutor(8) as pool:
        contents = set(pool.map(fetch, range(8)))
    assert {sha256_of_bytes(content) for content in contents} == {ref.sha256}
    assert kept.fetched == [ref.key]


def test_threads_that_want_different_files_do_not_disturb_each_other(kept: Cache) -> None:
    """A bundle's files are fetched several at once, and each fetch looks at what all have added."""
    refs = [kept.add(b"%d" % number) for number in range(400)]
    switched_every_s = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            paths = list(pool.map(kept.fetch, refs))
    finally:
        sys.setswitchinterval(switched_every_s)
    assert [path.name for path in paths] == [ref.sha256 for ref in refs]


FETCHER = """
import sys, time
from pathlib import Path
from common.bucket.cache import FileCache
from common.testing.memory import MemoryBucket
from tests.damage import DAMAGES, Damage, cut, empty, flip, make_link, make_unreadable
from common.ids import sha256_of_bytes
from common.schemas.documents import FileRef

root, marks = Path(sys.argv[1]), Path(sys.argv[2])
content = b"shared" * 100_000
ref = FileRef(key="key", sha256=sha256_of_bytes(content), bytes=len(content))

class Counting(MemoryBucket):
    def fetch(self, key, path):
        (marks / sys.argv[3]).touch()
        return super().fetch(key, path)

bucket = Counting()
bucket.put("key", content)
print("ready", flush=True)
sys.stdin.readline()
assert FileCache(root, 1 << 30).fetch(bucket, ref).read_bytes() == content
"""


def test_processes_that_want_the_same_file_fetch_it_once(tmp_path: Path) -> None:
    (tmp_path / "marks").mkdir()
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", FETCHER, str(tmp_path / "cache"), str(tmp_path / "marks"), str(number)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(3)
    ]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.communicate("go\n")
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(list((tmp_path / "marks").iterdir())) == 1
