"""The reference of a start with an empty cache: boto3 alone, in a process of its own.

    python -m tests.bench.plain_download <file with a key a line> <directory>

Prints the seconds of the downloads; imports and the first connection come before.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

import boto3


def main() -> None:
    keys, directory = Path(sys.argv[1]).read_text().split(), Path(sys.argv[2])
    bucket = os.environ["RECSYS_BUCKET"]
    client = boto3.client(
        "s3",
        endpoint_url=os.environ["RECSYS_S3_ENDPOINT"],
        region_name="eu-central-1",
        aws_access_key_id=os.environ["RECSYS_S3_ACCESS_KEY"],
        aws_secret_access_key=os.environ["RECSYS_S3_SECRET_KEY"],
    )
    client.head_object(Bucket=bucket, Key=keys[0])
    started = time.monotonic()
    for number, key in enumerate(keys):
        client.download_file(bucket, key, str(directory / str(number)))
    sys.stdout.write(str(time.monotonic() - started))


if __name__ == "__main__":
    main()
