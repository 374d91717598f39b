"""What the tables say of things that the code only names. `generate.py` insists that each is here, and nothing else."""

from __future__ import annotations

from common.config import Purchased
from common.edges.bucket_events import Dialect
from common.schemas.kind import Kind
from common.serving.kinds import NewItems

EVENT_COLUMNS = {
    "user_id": "the customer's id; replaced by a pseudonym before anything is written",
    "item_id": "the product's id",
    "ts": "the time: a timestamp or ISO text, with a zone or without (then that of `RECSYS_TIMEZONE`), or epoch "
    "seconds or finer",
    "qty": "the number of pieces; less than one counts as one",
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
    "availability": "the same in words of feeds (`in stock`, `out_of_stock`, `preorder`), if there is no `available`",
    "regular_price": "the price when it is not on sale; the item is on sale while `price` is below it",
    "created_at": "since when the shop has it; if it is missing: since the first upload that names it",
}

KINDS = {
    Kind.SIMILAR: "what else could be bought instead of the item of the page",
    Kind.BOUGHT_TOGETHER: "what is bought with the item of the page, by its list or by links, then what is like it",
    Kind.BASKET: "what goes with the basket: links, of each item the list of what is bought with it, and the model, "
    "in the order that training has found best; never what is in it. For an empty basket what is popular",
    Kind.FOR_YOU: "the person's ranking of what they do not have yet. For an unknown person the visit, then what is "
    "popular",
    Kind.BUY_AGAIN: "what the person has bought and kept, what is due first, and nothing else",
    Kind.BECAUSE_YOU_BOUGHT: "what goes with the purchases of the visit, or else with the person's last order, then "
    "what is like them; each item names its cause",
    Kind.BECAUSE_YOU_VIEWED: "what follows the item viewed last in this visit, or else the last that the person has "
    "looked at and not bought, then what is like it; each item names it",
    Kind.SESSION: "what fits the visit: the basket, what was viewed, the page",
    Kind.RECENTLY_VIEWED: "the viewed items of the question again, newest first, each once",
    Kind.POPULAR: "what most people buy: as `/v1/popular`",
    Kind.NEWEST: "what came last into the catalogue",
    Kind.ON_SALE: "what costs less than its `regular_price`: for a known person by the model, else popular first",
}

PURCHASED = {
    Purchased.HIDE: "left out",
    Purchased.SHOW: "shown",
    Purchased.AUTO: "as training has found best",
}

NEW_ITEMS = {NewItems.NEVER: "", NewItems.ALWAYS: "yes", NewItems.IN_CATEGORY: "with `category`"}

DIALECTS = {
    Dialect.RECORDS: "`Records[]` as MinIO, RustFS, Ceph and AWS S3 send it",
    Dialect.CLOUDEVENT: "CloudEvents, binary or structured, of object-created types",
    Dialect.SEAWEEDFS: "the webhook of SeaweedFS's filer",
}
