"""The commit loop on the real server, with writers that really run at the same time."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from common.bucket.commit import NewFile, Proposal, commit
from common.bucket.current import CurrentFile, Snapshot
from common.ids import sha256_of_bytes
from common.schemas.documents import FileRef, Segment, StoreDocument, Upload
from common.testing.faults import Fault, FaultyBucket, Rule
from common.usecases.shared.context import Context

WRITERS = 8


def add_upload(ctx: Context, bucket: FaultyBucket, name: str) -> StoreDocument | None:
    content = name.encode()
    sha256 = sha256_of_bytes(content)
    file = FileRef(key=ctx.keys.store_delta(sha256), sha256=sha256, bytes=len(content))

    def change(snapshot: Snapshot[StoreDocument]) -> Proposal | None:
        document = snapshot.document
        deltas = document.deltas if document else ()
        if any(upload.key == name for delta in deltas for upload in delta.uploads):
            return None
        seq = document.next_seq if document else 1
        upload = Upload(key=name, etag='"1"')
        delta = Segment(file=file, seq=seq, storage_version="v1", events=1, items=0, uploads=(upload,))
        return Proposal({"next_seq": seq + 1, "deltas": (*deltas, delta)}, (NewFile(file.key, content),))

    return commit(CurrentFile(bucket, ctx.keys.store_current, StoreDocument), change, now=ctx.now, deadline_s=60)


def test_eight_uploads_at_once_each_delivered_twice_count_once(context: Context) -> None:
    start = threading.Barrier(2 * WRITERS)

    def deliver(number: int) -> None:
        faults = [Rule("put_if", (Fault.LOST_ANSWER, Fault.FAIL_BEFORE)[number % 2])]
        start.wait()
        add_upload(context, FaultyBucket(context.bucket, faults), f"upload-{number % WRITERS}")

    with ThreadPoolExecutor(2 * WRITERS) as pool:
        list(pool.map(deliver, range(2 * WRITERS)))
    document = CurrentFile(context.bucket, context.keys.store_current, StoreDocument).read().document
    assert document is not None
    uploads = [upload.key for delta in document.deltas for upload in delta.uploads]
    assert sorted(uploads) == [f"upload-{number}" for number in range(WRITERS)]
    assert [delta.seq for delta in document.deltas] == list(range(1, WRITERS + 1))
    assert len(document.commits) == WRITERS
    assert all(context.bucket.head(delta.file.key) for delta in document.deltas)
