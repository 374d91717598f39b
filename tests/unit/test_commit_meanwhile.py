"""The commit loop where the document changes meanwhile: whether it tries again, and whether it knows the outcome."""

from __future__ import annotations

from itertools import count

import pytest

from common.bucket.commit import Proposal
from common.bucket.current import Snapshot
from common.errors import BucketUnavailable, CorruptError
from common.schemas.documents import MAX_COMMITS, StoreDocument
from common.testing.faults import Fault, Rule
from tests.unit.test_commit import KEY, START, Writer, count_up


def put_back(writer: Writer, *commits: str) -> None:
    """As when somebody restores an old document by hand."""
    document = StoreDocument(commit_id="restored", commits=commits, committed_at=START)
    writer.chain.put(KEY, document.model_dump_json().encode())


class MissesAFile:
    """A change that does not find a file of the document at its first `times` calls, and counts its calls.

    If `overtaken`, another writer has committed before it notices.
    """

    def __init__(self, writer: Writer, times: int, *, overtaken: bool) -> None:
        self.calls = 0
        self._writer, self._times, self._overtaken = writer, times, overtaken

    def __call__(self, snapshot: Snapshot[StoreDocument]) -> Proposal:
        self.calls += 1
        if self.calls > self._times:
            return count_up(snapshot)
        if self._overtaken:
            self._writer.overtake()
        raise CorruptError("a file is missing")


def test_a_change_that_misses_a_file_is_applied_to_the_version_that_came_meanwhile() -> None:
    writer = Writer()
    document = writer.commit(MissesAFile(writer, 1, overtaken=True))
    assert writer.document == document
    assert writer.document.next_seq == 3
    assert len(writer.pauses) == 1


def test_a_file_that_the_newest_version_misses_is_said_at_once() -> None:
    writer = Writer()
    change = MissesAFile(writer, 9, overtaken=False)
    with pytest.raises(CorruptError):
        writer.commit(change)
    assert (change.calls, writer.pauses) == (1, [])


def test_files_that_each_new_version_misses_are_said_at_the_deadline() -> None:
    writer = Writer()
    with pytest.raises(CorruptError):
        writer.commit(MissesAFile(writer, 999, overtaken=True), deadline_s=5)
    assert 2 < writer.time <= 5


def test_a_refusal_is_certain_whatever_the_newest_version_lists() -> None:
    writer = Writer()
    writer.commit(count_up)
    calls = count(1)

    def overtaken_once(snapshot: Snapshot[StoreDocument]) -> Proposal:
        if next(calls) == 1:
            put_back(writer, "restored")
        return count_up(snapshot)

    document = writer.commit(overtaken_once)
    assert document is not None
    assert document.commits == ("restored", document.commit_id)


@pytest.mark.parametrize("listed", [1, MAX_COMMITS - 1])
def test_a_first_document_is_lost_for_good_where_every_commit_since_is_listed(listed: int) -> None:
    writer = Writer(Rule("put_if", Fault.FAIL_BEFORE))
    others = [f"commit-{number}" for number in range(listed)]
    writer.before_read(2, lambda: put_back(writer, *others))
    document = writer.commit(count_up)
    assert document is not None
    assert document.commits == (*others, document.commit_id)


@pytest.mark.parametrize("listed", [0, MAX_COMMITS])
def test_a_first_document_may_have_been_where_commits_are_no_longer_listed(listed: int) -> None:
    writer = Writer(Rule("put_if", Fault.FAIL_BEFORE))
    writer.before_read(2, lambda: put_back(writer, *(f"commit-{number}" for number in range(listed))))
    with pytest.raises(BucketUnavailable, match="no longer recorded"):
        writer.commit(count_up)


def test_the_outcome_is_unknown_where_the_document_is_gone() -> None:
    writer = Writer()
    writer.commit(count_up)
    writer.store.script.append(Rule("put_if", Fault.FAIL_BEFORE))
    writer.before_read(2, lambda: writer.chain.delete(KEY))
    with pytest.raises(BucketUnavailable) as caught:
        writer.commit(count_up)
    assert caught.value.details == {"key": KEY, "outcome": "unknown"}
