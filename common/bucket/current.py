"""The current documents: two small objects in the bucket that name the files in use."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import ValidationError

from common.bucket.port import Bucket
from common.errors import CorruptError
from common.schemas.documents import FORMAT_VERSION, CurrentDocument

D = TypeVar("D", bound=CurrentDocument)


@dataclass(frozen=True)
class Snapshot(Generic[D]):
    """One version of a current document. Both fields are None before the first commit."""

    document: D | None
    etag: str | None


class CurrentFile(Generic[D]):
    """A current document at its key in the bucket. At `erasure_mark`, if given, an erasure asks other writers to let it
    pass (`precedence`)."""

    def __init__(self, bucket: Bucket, key: str, model: type[D], erasure_mark: str | None = None) -> None:
        self.bucket = bucket
        self.key = key
        self.model = model
        self.erasure_mark = erasure_mark

    def read(self) -> Snapshot[D]:
        """Returns the newest version.

        Raises `CorruptError` if the object is not a document of this format version, and `BucketUnavailable` if the
        object store does not answer.
        """
        blob = self.bucket.get(self.key)
        if blob is None:
            return Snapshot(None, None)
        return Snapshot(self._parsed(blob.data), blob.info.etag)

    def _parsed(self, data: bytes) -> D:
        try:
            fields = json.loads(data)
            version = fields["format_version"]
        except (ValueError, KeyError, TypeError, RecursionError):
            raise CorruptError(f"{self.key} is not a current document", key=self.key) from None
        if version != FORMAT_VERSION:
            raise CorruptError(
                f"{self.key} has format version {version}; this release reads version {FORMAT_VERSION}", key=self.key
            )
        try:
            return self.model.model_validate(fields)
        except ValidationError as error:
            raise CorruptError(f"{self.key} is damaged: {error}", key=self.key) from None
