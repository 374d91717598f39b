"""The reading of template.yaml for the key prefixes whose objects call each function."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

import yaml

from common.errors import BadRequest

BUCKET_EVENTS: Final = "recsys.lite/bucket-events"


def event_prefixes(path: Path) -> dict[str, tuple[str, ...]]:
    """Returns the key prefixes by function, relative to the shop's prefix. Raises `BadRequest` for a wrong file."""
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
