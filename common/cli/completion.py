"""What a shell offers for a word that has a closed list. Each list is read where it is kept, when a shell asks."""

from __future__ import annotations


def families(incomplete: str) -> list[str]:
    """The model families that begin with `incomplete`; none where the libraries that train them are not installed."""
    try:
        from common.models.registry import FAMILIES
    except ModuleNotFoundError:
        return []
    return [family for family in FAMILIES if family.startswith(incomplete)]


def upload_kinds(incomplete: str) -> list[str]:
    """What an upload may hold, as far as it begins with `incomplete`."""
    from common.usecases.ingest.upload import UploadKind

    return [kind.value for kind in UploadKind if kind.startswith(incomplete)]
