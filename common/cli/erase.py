"""`recsys erase`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from common.cli.people import IdFile, UserIds, named_people
from common.cli.session import AsJson, session

if TYPE_CHECKING:
    from rich.console import Console

    from common.schemas.erasure import ErasureReceipt


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
        receipt = erase_people(current.context(), people)
        current.answer(receipt.model_dump(mode="json"), lambda console: _show(console, receipt))


def _show(console: Console, receipt: ErasureReceipt) -> None:
    counts, seconds = receipt.counts, sum(receipt.timings_s.values())
    console.print(
        f"{counts['people_found']} of {counts['people_named']} people were stored, and are erased in {seconds:.1f} s"
    )
    for name, count in counts.items():
        if count and not name.startswith("people_"):
            console.print(f"  {name.replace('_', ' ')}: {count:,}")
    console.print(f"  events up to {receipt.until:%Y-%m-%d %H:%M:%S} UTC stay out; receipt {receipt.receipt_id}")
