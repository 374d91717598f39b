"""What the tables say of things that the code only names. `generate.py` insists that each is here, and nothing else."""

from __future__ import annotations

from common.edges.bucket_events import Dialect

EVENT_COLUMNS = {
    "user_id": "who; replaced by a pseudonym before anything is written",
    "item_id": "what",
    "ts": "when: a timestamp with or without a zone (then UTC), ISO text, or epoch seconds or milliseconds",
    "qty": "how many, 1 or more",
    "event_type": "`purchase`, `view`, `cart` or `return`; without it a purchase",
    "order_id": "what was bought together; without it what one person bought within 30 minutes",
    "session_id": "what was looked at together",
    "price": "price of one piece",
    "consent": "`false`: counted for what is popular and bought together, without a key of a person; without it `true`",
}

ITEM_COLUMNS = {
    "item_id": "as in the events",
    "category": "may be empty",
    "brand": "may be empty",
    "price": "may be empty",
    "img_url": "may be empty",
    "title": "shown with the recommendation",
    "url": "of the product's page",
    "currency": "such as EUR",
    "available": "`false` takes the item out of the recommendations",
    "created_at": "since when it is in the shop; without it since the first upload that names it",
}

DIALECTS = {
    Dialect.RECORDS: "`Records[]` as MinIO, RustFS, Ceph and AWS S3 send it",
    Dialect.CLOUDEVENT: "CloudEvents, binary or structured, of object-created types",
    Dialect.SEAWEEDFS: "the webhook of SeaweedFS's filer",
}
