"""What the operator's command reads in template.yaml: which keys of the bucket call which function."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from common.errors import BadRequest

BUCKET_EVENTS: Final = "recsys.lite/bucket-events"


def event_prefixes(path: Path) -> dict[str, tuple[str, ...]]:
    """Function → key prefixes, relative to the shop's. Raises `BadRequest` where `path` is no such file."""
    try:
        documents = list(yaml.safe_load_all(path.read_text()))
    except (OSError, yaml.YAMLError) as error:
        raise BadRequest(f"{path} cannot be read as the deployment: {error}") from None
    metadata = [document["metadata"] for document in documents if document]
    found = {item["name"]: annotated_prefixes(item) for item in metadata}
    return {name: prefixes for name, prefixes in found.items() if prefixes}


def annotated_prefixes(metadata: dict[str, Any]) -> tuple[str, ...]:
    prefixes = metadata.get("annotations", {}).get(BUCKET_EVENTS, "")
    return tuple(part.strip() for part in prefixes.split(",") if part.strip())
