"""Bytes that are nearly right: valid ones with a few changes, each of a kind that has broken a reader somewhere."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any, Final

from hypothesis import strategies as st

TOKENS: Final = (
    b"",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"{}",
    b"[]",
    b"null",
    b"true",
    b"-1",
    b"1e999",
    b"NaN",
    b"9" * 400,
    b"0.1" + b"1" * 5_000,
    b'"\\ud800"',
    b'"\\u0000"',
    b'"' + b"a" * 70_000 + b'"',
    b"[" * 100_000,
    b'{"a":' * 20_000,
    b"%00",
    b"%ff",
    b"%",
    b"..",
    b"../../etc/passwd",
    b"=cmd|' /C calc'!A0",
    b"PK\x03\x04",
    b"\x80\x04\x95",
    b"9999999999999",
    b"-9223372036854775808",
    b"18446744073709551615",
    b"9999-12-31T23:59:59+99:99",
)
MOST_EDITS: Final = 4
LONGEST: Final = 1 << 20

Edit = Callable[[bytes, Random], bytes]


def _flip(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + bytes([data[at] ^ 1 << rng.randrange(8)]) + data[at + 1 :]


def _cut(data: bytes, rng: Random) -> bytes:
    return data[: rng.randrange(len(data))]


def _leave_out(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(data))
    return data[:at] + data[at + rng.randint(1, 16) :]


def _repeat(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(data))
    piece = data[at : at + rng.randint(1, 64)]
    return data[:at] + piece * rng.choice((2, 3, 1_000)) + data[at:]


def _insert(data: bytes, rng: Random) -> bytes:
    at = rng.randrange(len(data) + 1)
    return data[:at] + rng.choice(TOKENS) + data[at:]


def _replace(data: bytes, rng: Random) -> bytes:
    """A token in place of some bytes, often of a whole number or text."""
    at = rng.randrange(len(data))
    end = at + rng.randint(1, 12)
    for sign in b',:"}]& ':
        found = data.find(sign, at)
        end = min(end, found) if found > at else end
    return data[:at] + rng.choice(TOKENS) + data[end:]


def _shuffle(data: bytes, rng: Random) -> bytes:
    first, second = sorted((rng.randrange(len(data)), rng.randrange(len(data))))
    return data[second:] + data[first:second] + data[:first]


EDITS: Final[tuple[Edit, ...]] = (_flip, _flip, _cut, _leave_out, _repeat, _insert, _replace, _replace, _shuffle)


def mutated(valid: bytes, rng: Random) -> bytes:
    """`valid` with up to `MOST_EDITS` changes."""
    data = valid
    for _ in range(rng.randint(1, MOST_EDITS)):
        data = rng.choice(EDITS)(data, rng)[:LONGEST] if data else rng.choice(TOKENS)
    return data


JSON: Final[st.SearchStrategy[Any]] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inside: st.lists(inside, max_size=4) | st.dictionaries(st.text(max_size=8), inside, max_size=4),
    max_leaves=8,
)


@st.composite
def changed_documents(draw: st.DrawFn, valid: bytes) -> bytes:
    """The JSON of `valid` with any other value at one of its places, or with a field more or less."""
    document = json.loads(valid)
    place, inside = document, None
    while isinstance(place, dict | list) and place and draw(st.booleans()):
        inside = place
        key = draw(st.sampled_from(sorted(place) if isinstance(place, dict) else range(len(place))))
        place = place[key]
    if inside is None:
        document = draw(JSON)
    elif draw(st.booleans()):
        inside[key] = draw(JSON)
    elif isinstance(inside, dict):
        del inside[key]
        inside |= draw(st.dictionaries(st.text(max_size=8), JSON, max_size=1))
    else:
        inside.append(draw(JSON))
    return json.dumps(document).encode()
