"""Which web pages may read the answers: an allow-list of origins."""

from __future__ import annotations

from typing import Final

from common.edges.http_response import Headers

VARY: Final = (b"vary", b"Origin")
_MAX_AGE_S: Final = b"600"


class Cors:
    def __init__(self, origins: tuple[str, ...]) -> None:
        self._origins = frozenset(origin.encode() for origin in origins)

    def headers(self, origin: bytes | None) -> Headers:
        """For every answer: what lets a page of an allowed origin read it. `Vary` is there either way, for caches."""
        if origin is None or origin not in self._origins:
            return [VARY]
        return [VARY, (b"access-control-allow-origin", origin)]

    def preflight(self, origin: bytes | None, methods: tuple[str, ...]) -> Headers:
        """For the answer to OPTIONS, beside `headers`; a page of another origin is told nothing."""
        if origin is None or origin not in self._origins:
            return []
        return [
            (b"access-control-allow-methods", ", ".join(methods).encode()),
            (b"access-control-allow-headers", b"Authorization, Content-Type"),
            (b"access-control-max-age", _MAX_AGE_S),
        ]
