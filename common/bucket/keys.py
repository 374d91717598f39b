"""The object keys of a shop: every key in the bucket is made here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_KEY_BYTES: Final = 1_024
"""The longest key of S3, in UTF-8."""


@dataclass(frozen=True)
class Keys:
    """The keys of one shop. `prefix` is empty or ends in a slash."""

    prefix: str = ""

    @property
    def incoming(self) -> str:
        return f"{self.prefix}incoming/"

    @property
    def incoming_events(self) -> str:
        return f"{self.incoming}events/"

    @property
    def incoming_items(self) -> str:
        return f"{self.incoming}items/"

    @property
    def incoming_erasures(self) -> str:
        return f"{self.incoming}erasures/"

    @property
    def quarantine(self) -> str:
        return f"{self.prefix}quarantine/"

    @property
    def key_check(self) -> str:
        return f"{self.prefix}key-check.json"

    @property
    def conditional_put_proof(self) -> str:
        return f"{self.prefix}conditional-put.json"

    def probe(self, name: str) -> str:
        """A key that exists only while the store is tried out."""
        return f"{self.prefix}probes/{name}"

    @property
    def store(self) -> str:
        return f"{self.prefix}store/"

    @property
    def store_current(self) -> str:
        return f"{self.store}current.json"

    def store_base(self, sha256: str) -> str:
        return f"{self.store}base-{sha256}.duckdb"

    def store_delta(self, sha256: str) -> str:
        return f"{self.store}delta-{sha256}.duckdb"

    def store_erased(self, sha256: str) -> str:
        return f"{self.store}erased-{sha256}.json"

    @property
    def serving(self) -> str:
        return f"{self.prefix}serving/"

    @property
    def serving_current(self) -> str:
        return f"{self.serving}current.json"

    @property
    def serving_files(self) -> str:
        return f"{self.serving}files/"

    def serving_file(self, sha256: str) -> str:
        return f"{self.serving_files}{sha256}"

    @property
    def serving_people(self) -> str:
        return f"{self.serving}people/"

    def serving_people_file(self, layer_id: str, name: str) -> str:
        """A file with people's rows of one layer. No two layers share it, so that an erasure can delete it at once."""
        return f"{self.serving_people}{layer_id}/{name}"

    def serving_bundle(self, bundle_id: str) -> str:
        """The manifest of one published version, which `rollback` needs later."""
        return f"{self.serving}bundles/{bundle_id}.json"

    @property
    def models(self) -> str:
        return f"{self.prefix}models/"

    def model_file(self, version: str, name: str) -> str:
        return f"{self.models}{version}/{name}"

    @property
    def runs(self) -> str:
        return f"{self.prefix}runs/"

    def run(self, run_id: str) -> str:
        return f"{self.runs}{run_id}.json"

    @property
    def last_runs(self) -> str:
        return f"{self.prefix}last-runs/"

    def last_run(self, function: str, outcome: str) -> str:
        """An object that is put when a run of this function ends with `outcome`. Its age shows when that was last."""
        return f"{self.last_runs}{function}-{outcome}"

    @property
    def erasures(self) -> str:
        return f"{self.prefix}erasures/"

    @property
    def erasure_requests(self) -> str:
        return f"{self.erasures}requests/"

    def erasure_request(self, request_id: str) -> str:
        """A request of `recsys erase`, kept until it is done."""
        return f"{self.erasure_requests}{request_id}.json"

    @property
    def erasure_mark(self) -> str:
        """An object that is there while an erasure commits, so that other writers let it pass."""
        return f"{self.erasures}under-way"

    @property
    def erasure_receipts(self) -> str:
        return f"{self.erasures}receipts/"

    def erasure_receipt(self, receipt_id: str) -> str:
        return f"{self.erasure_receipts}{receipt_id}.json"

    @property
    def attempts(self) -> str:
        return f"{self.prefix}attempts/"

    def attempts_at(self, upload_key: str) -> str:
        """The key of the count of tries of an upload: `incoming/events/a.csv` has `attempts/events/a.csv.json`."""
        return f"{self.attempts}{upload_key.removeprefix(self.incoming)}.json"

    @property
    def attempts_together(self) -> str:
        return f"{self.attempts}together/"

    def attempt_together(self, run_id: str) -> str:
        """The key of the mark of a try to take in several uploads. No upload can be at a key that gives this one."""
        return f"{self.attempts_together}{run_id}.json"

    def attempted(self, attempts_key: str) -> str:
        """The key of the upload whose tries are counted at `attempts_key`."""
        return f"{self.incoming}{attempts_key.removeprefix(self.attempts).removesuffix('.json')}"

    def quarantined(self, upload_key: str) -> str:
        """The key of a refused upload: `incoming/events/a.csv` becomes `quarantine/events/a.csv`."""
        return self.quarantine + upload_key.removeprefix(self.incoming)


def is_folder(key: str) -> bool:
    """Whether the object only marks a folder: consoles and tools that copy directories put such, mostly without a
    byte in them, and nothing is to be done about any."""
    return key.endswith("/")


def is_no_upload(key: str) -> bool:
    """Whether an object under `incoming/` is no upload: a folder's marker, or what data tools leave beside their files,
    such as `_SUCCESS`, `_metadata`, hidden files and checksums."""
    name = key.rpartition("/")[2]
    is_data = name.lower().endswith((".csv", ".parquet"))
    is_hidden = name.startswith(".") and name not in (".", "..")  # with these it is a key that no object can have
    return is_folder(key) or is_hidden or name.endswith(".crc") or (name.startswith("_") and not is_data)


def key_problem(key: str) -> str | None:
    """What is wrong with a key that no object can have; None for one that an object may have.

    A segment `.` or `..` is taken out of the path by HTTP clients and by stores on a file system, so that the request
    would be about another object.
    """
    try:
        size = len(key.encode())
    except UnicodeEncodeError:
        return "it is not UTF-8"
    if size > MAX_KEY_BYTES:
        return f"it has {size} bytes, and an object's key at most {MAX_KEY_BYTES}"
    if "\0" in key:
        return "it holds a NUL character"
    if not {".", ".."}.isdisjoint(key.split("/")):
        return "a part of it is . or .."
    return None if key and not key.startswith("/") else "it is empty or begins with a slash"
