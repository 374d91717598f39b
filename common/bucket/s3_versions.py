"""Versions of objects that a bucket keeps after they were overwritten or deleted."""

from __future__ import annotations

from typing import Any

from botocore.client import BaseClient
from botocore.exceptions import ClientError

from common.bucket.s3_errors import is_not_built


def purge_versions(client: BaseClient, bucket: str, prefix: str) -> int:
    """See `Bucket.purge_versions`. A delete marker goes last: without it an older version would be current again."""
    try:
        versions, markers = _listed(client, bucket, prefix)
    except ClientError as error:
        if is_not_built(error):
            return 0
        raise
    for version in versions:
        client.delete_object(Bucket=bucket, Key=version["Key"], VersionId=version["VersionId"])
    for marker in markers:
        client.delete_object(Bucket=bucket, Key=marker["Key"], VersionId=marker["VersionId"])
    return len(versions)


def _listed(client: BaseClient, bucket: str, prefix: str) -> tuple[list[Any], list[Any]]:
    """The noncurrent versions, and the delete markers that stand for their ends."""
    pages = list(client.get_paginator("list_object_versions").paginate(Bucket=bucket, Prefix=prefix))
    versions = [entry for page in pages for entry in page.get("Versions", ()) if _is_old(entry)]
    return versions, [entry for page in pages for entry in page.get("DeleteMarkers", ())]


def _is_old(entry: dict[str, Any]) -> bool:
    """A store that keeps no versions lists each object as its one version."""
    return not entry["IsLatest"]
