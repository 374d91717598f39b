"""How the bytes of an upload are text.

UTF-8 and UTF-16 show themselves. Of other encodings the same bytes are other letters in each, and only the words tell:
a German word has ä, ö, ü and ß, a Polish one ł and ż. A file is read in the encoding in which it reads as words of one
language; if none stands out, it is refused, because a wrong guess would be seen by every shopper. A detector of general
use guesses too much here: an upload is short, and most of it is numbers.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from common.errors import FileRejected

_CHUNK: Final = 1 << 20
_LOOKED_AT: Final = 4_096
_SAMPLE: Final = 256 << 10

# In Italian only the last letter of a word has an accent; the same bytes are Czech consonants, which rarely end one.
_ITALIAN: Final = "àèéìòóù"
_AT_THE_END: Final = frozenset("čěňŕů")
_RARELY_LAST: Final = 0.8
_VOWELS: Final = frozenset("aeiouyáéíóúýěů")

_WESTERN: Final = (
    "äöüß", "éèêëàâæçîïôœùûüÿ", "áéíóúüñ", _ITALIAN, "áâãàçéêíóôõú", "éëïöüáóè", "åäöé", "æøåé",
)  # fmt: skip
_CENTRAL: Final = ("ąćęłńóśźż", "áčďéěíňóřšťúůýž", "áäčďéíĺľňóôŕšťúýž", "áéíóöőúüű", "ăâîşţșț", "čćđšž")
_CYRILLIC: Final = ("абвгдежзийклмнопрстуфхцчшщъыьэюяё", "абвгґдеєжзиіїйклмнопрстуфхцчшщьюя")
_CANDIDATES: Final = {
    "cp1252": ("Windows-1252 (Latin-1)", _WESTERN),
    "iso8859-15": ("ISO-8859-15", _WESTERN),
    "cp1250": ("Windows-1250", _CENTRAL),
    "iso8859-2": ("ISO-8859-2", _CENTRAL),
    "cp1251": ("Windows-1251", _CYRILLIC),
}
_SYMBOLS: Final = frozenset("„“”‘’‚–—…•€£©®™°²³½¼¾«»¡¿§·×º\u00a0\u00ad")
_WITHIN_WORDS: Final = frozenset("’·–—…®™°\u00ad")
_WORDS_OF_ONE_LETTER: Final = frozenset("àáèéêìíòóôùúýöåøяиваскоуіВИСКОУ")

# What a letter counts that the language does not have, but another one of the same encoding.
_LOANED: Final = 0.6
_CLEAR: Final = 0.85
_MARGIN: Final = 0.08


@dataclass(frozen=True)
class Encoding:
    """The encoding by its name in Python. `mixed`: some rows may hold bytes that are no text in it."""

    name: str
    mixed: bool = False
    notice: str = ""


def utf_16_of(start: bytes) -> str | None:
    """The kind of UTF-16 that a file begins with, with a mark or without; None for other text."""
    if start.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        raise FileRejected("the file is UTF-32 text: save it as CSV UTF-8")
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    # In UTF-16 each separator, digit and line end has a zero beside it.
    start = start[: _LOOKED_AT & ~1]
    first, second = start[0::2].count(0), start[1::2].count(0)
    enough = max(2, len(start) // 16)
    if second >= enough and not first:
        return "utf-16-le"
    return "utf-16-be" if first >= enough and not second else None


def as_utf_8(source: Path, target: Path, encoding: str) -> None:
    """Writes `source` as UTF-8 to `target`. Raises `FileRejected` if it is no such text."""
    try:
        with source.open(encoding=encoding, newline="") as text, target.open("w", encoding="utf-8", newline="") as out:
            while part := text.read(_CHUNK):
                out.write(part)
    except UnicodeError:
        raise FileRejected("the file begins as UTF-16 text and does not go on as such: save it as CSV UTF-8") from None


def encoding_of(source: Path) -> Encoding:
    """Returns the encoding of a text. Raises `FileRejected`, which names the likely ones, if that is unclear."""
    if _is_utf_8(source):
        return Encoding("utf-8")
    good, others, sample = _lines_apart(source)
    if good >= others:
        return Encoding("utf-8", mixed=True)
    if 10 * good > others:
        raise FileRejected("some rows are UTF-8 text and others are not: export the whole file as CSV UTF-8")
    return _recognised(sample)


def _is_utf_8(source: Path) -> bool:
    decoder = codecs.getincrementaldecoder("utf-8")()
    with source.open("rb") as file:
        try:
            while chunk := file.read(_CHUNK):
                decoder.decode(chunk)
            decoder.decode(b"", final=True)
        except UnicodeDecodeError:
            return False
    return True


def _lines_apart(source: Path) -> tuple[int, int, bytes]:
    """The numbers of lines with letters beyond ASCII that are UTF-8, and that are not, and some of the latter."""
    good = others = 0
    sample = bytearray()
    with source.open("rb") as file:
        for line in file:
            if line.isascii():
                continue
            try:
                line.decode()
                good += 1
            except UnicodeDecodeError:
                others += 1
                if len(sample) < _SAMPLE:
                    sample += line
    return good, others, bytes(sample)


def _recognised(sample: bytes) -> Encoding:
    scores: dict[str, tuple[float, str]] = {}
    for name, (_, languages) in _CANDIDATES.items():
        text = sample.decode(name, errors="replace")
        scores.setdefault(text, (_score(text, languages), name))
    ranked = sorted(scores.values(), key=lambda score: -score[0])
    (best, name), second = ranked[0], ranked[1][0] if len(ranked) > 1 else 0.0
    title = _CANDIDATES[name][0]
    if best >= _CLEAR and best - second >= _MARGIN:
        notice = f"the file is not UTF-8 and was read as {title}: check that accents came out right"
        return Encoding(name, mixed=True, notice=notice)
    likely = " or ".join(_CANDIDATES[name][0] for score, name in ranked[:2] if score > _LOANED)
    guess = f"may be {likely}" if likely else "no encoding of the region that is known here"
    raise FileRejected(f"the text is neither UTF-8 nor clearly another encoding ({guess}): save it as CSV UTF-8")


def _score(text: str, languages: Iterable[str]) -> float:
    """How much of what is beyond ASCII reads as words of one of the languages, from 0 to 1."""
    found = list(_beyond_ascii(text))
    letters = [(letter, is_last) for letter, is_last, fits in found if fits and letter.isalpha()]
    symbols = sum(fits and not letter.isalpha() for letter, _, fits in found)
    known = set("".join(languages))
    best = max(sum(_counts(letter, is_last, language, known) for letter, is_last in letters) for language in languages)
    return (best + symbols) / max(1, len(found))


def _counts(letter: str, is_last: bool, language: str, known: set[str]) -> float:
    if letter not in language or (language is _ITALIAN and not is_last):
        return _LOANED if letter in known else 0.0
    return _RARELY_LAST if is_last and letter in _AT_THE_END else 1.0


def _beyond_ascii(text: str) -> Iterator[tuple[str, bool, bool]]:
    """Each letter or sign beyond ASCII, in lower case, whether it ends a word, and whether it fits to those beside."""
    padded = f"  {text} "
    for place in range(2, len(padded) - 1):
        one = padded[place]
        if one.isascii():
            continue
        before, after = padded[place - 1], padded[place + 1]
        if one.isalpha():
            yield one.lower(), not after.isalpha(), _fits(padded[place - 2], before, one, after)
        else:
            between = before.isalpha() and after.isalpha()
            yield one, False, one in _WITHIN_WORDS or (one in _SYMBOLS and not between)


def _fits(second_before: str, before: str, letter: str, after: str) -> bool:
    if before.isdigit() or after.isdigit():
        return False
    if letter.isupper() and before.islower():
        return False
    if letter.islower() and before.isupper() and second_before.isupper():
        return False
    if letter in "řŘ" and _VOWELS.isdisjoint((before.lower(), after.lower())):
        return False
    if not before.isalpha() and not after.isalpha():
        return letter in _WORDS_OF_ONE_LETTER
    beside = [one for one in (before, after) if one.isalpha()]
    return not _is_cyrillic(letter) or all(map(_is_cyrillic, beside))


def _is_cyrillic(letter: str) -> bool:
    return "\u0400" <= letter <= "\u04ff"
