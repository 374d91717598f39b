"""`recsys erase`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer

from common.cli.people import IdFile, UserIds, named_people
from common.cli.session import AsJson, session, show_notices

if TYPE_CHECKING:
    from rich.console import Console

    from common.schemas.erasure import ErasureReceipt


_VACUUM: Final = "echo 'lock; volume.vacuum -garbageThreshold 0.000001; unlock' | weed shell -master=HOST:9333"


def erase(
    user_ids: UserIds = None,
    source: IdFile = None,
    forget_tombstone: Annotated[
        bool, typer.Option("--forget-tombstone", help="Erase nothing: let old events of these people in again.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Erase people from all stored and served data, and leave a receipt. Exit status 0: everything is done."""
    with session(as_json) as current:
        from common.usecases.erase.erase import erase as erase_people
        from common.usecases.erase.erase import forget_tombstones

        people = named_people(user_ids, source)
        if forget_tombstone:
            forgotten = forget_tombstones(current.context(), people)
            current.answer({"forgotten": forgotten}, lambda console: console.print(f"{forgotten} tombstones forgotten"))
            return
        ctx = current.context()
        receipt = erase_people(ctx, people)
        server = ctx.bucket.server()
        current.answer(receipt.model_dump(mode="json"), lambda console: _show(console, receipt, server))


def _show(console: Console, receipt: ErasureReceipt, server: str) -> None:
    counts, seconds = receipt.counts, sum(receipt.timings_s.values())
    console.print(
        f"{counts['people_found']} of {counts['people_named']} people were stored, and are erased in {seconds:.1f} s"
    )
    for name, count in counts.items():
        if count and not name.startswith("people_"):
            console.print(f"  {name.replace('_', ' ')}: {count:,}")
    console.print(f"  events up to {receipt.until:%Y-%m-%d %H:%M:%S} UTC stay out; receipt {receipt.receipt_id}")
    if "seaweedfs" in server.lower():
        show_notices(console, [f"SeaweedFS keeps deleted bytes in its volume files until they are vacuumed: {_VACUUM}"])
    else:
        show_notices(console, ["docs/stores.md says when your object store frees the bytes of what was deleted"])
