"""What the tables say of things that the code only names. `generate.py` insists that each is here, and nothing else."""

from __future__ import annotations

from common.edges.bucket_events import Dialect

EVENT_COLUMNS = {
    "user_id": "the customer's id; replaced by a pseudonym before anything is written",
    "item_id": "the product's id",
    "ts": "the time: a timestamp with a zone or without (then UTC), ISO text, or epoch seconds or milliseconds",
    "qty": "the number of pieces, 1 or more",
    "event_type": "`purchase`, `view`, `cart` or `return`; if it is missing: a purchase",
    "order_id": "the order's id; if it is missing, what one person bought within 30 minutes is one order",
    "session_id": "the visit's id",
    "price": "the price of one piece",
    "consent": "`false`: the event counts for what is popular and bought together, without a key of a person; "
    "if it is missing: `true`",
}

ITEM_COLUMNS = {
    "item_id": "the product's id, as in the events",
    "category": "may be empty",
    "brand": "may be empty",
    "price": "may be empty",
    "img_url": "the address of its picture; may be empty",
    "title": "the name that carousels show",
    "url": "the address of the product's page",
    "currency": "such as EUR",
    "available": "`false` takes the item out of the recommendations",
    "created_at": "since when the shop has it; if it is missing: since the first upload that names it",
}

DIALECTS = {
    Dialect.RECORDS: "`Records[]` as MinIO, RustFS, Ceph and AWS S3 send it",
    Dialect.CLOUDEVENT: "CloudEvents, binary or structured, of object-created types",
    Dialect.SEAWEEDFS: "the webhook of SeaweedFS's filer",
}
