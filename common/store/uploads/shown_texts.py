"""Texts and addresses as shoppers see them: without the markup and the entities of the shop's own pages."""

from __future__ import annotations

import html
import re
from typing import Final

from duckdb.sqltypes import VARCHAR

from common.store.engine import Connection, literal
from common.store.uploads.texts import plain_text_sql, trimmed

_FUNCTION: Final = "without_markup"
_ENTITY: Final = re.compile("&(#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[A-Za-z][A-Za-z0-9]{1,30});")
_TAGS: Final = (
    "a|abbr|b|big|blockquote|br|center|code|div|em|font|h[1-6]|hr|i|iframe|img|ins|del|li|mark|noscript|ol|p|pre|s|script|"
    "small|span|strong|style|strike|sub|sup|table|tbody|td|tfoot|th|thead|tr|u|ul"
)
_UNSEEN: Final = re.compile(r"<(script|style)\b[^<>]*>.*?</\1\s*>|<!--.*?-->", re.IGNORECASE | re.DOTALL)
_TAG: Final = re.compile(rf"</?(?:{_TAGS})(?:\s[^<>]*)?/?>", re.IGNORECASE)
_GAPS: Final = re.compile(r"[ \t\r\n\xa0]+")
# A text that was escaped twice needs two turns; no shop escapes more often.
_TURNS: Final = 2

_MARKED: Final = "&[#A-Za-z]|<"
_NO_SCHEME: Final = r"(?i)([a-z0-9]([a-z0-9-]*[a-z0-9])?\.)+[a-z]{2,24}/.*"


def without_markup(text: str) -> str:
    """The text with its entities decoded and HTML tags taken out. A sign such as < that begins no tag stays."""
    for _ in range(_TURNS):
        text = _ENTITY.sub(lambda found: html.unescape(found.group()), text)
    bare = _TAG.sub(" ", _UNSEEN.sub(" ", text))
    return (_GAPS.sub(" ", bare) if bare != text or "\xa0" in bare else bare).strip()


def register(connection: Connection) -> None:
    """Makes `without_markup` known to the connection."""
    connection.create_function(_FUNCTION, without_markup, [VARCHAR], VARCHAR)


def shown_text(text: str) -> str:
    """SQL of a text in its plain form and without markup. The connection needs `register`."""
    marked = f"regexp_matches({text}, {literal(_MARKED)})"
    return f"CASE WHEN {marked} THEN {_FUNCTION}({plain_text_sql(text)}) ELSE {plain_text_sql(text)} END"


def shown_address(text: str) -> str:
    """SQL of a web address: spaces within it are encoded, and one without a scheme has that of the web."""
    decoded = f"replace({text}, '&amp;', '&')"
    address = f"replace({trimmed(decoded)}, ' ', '%20')"
    return (
        f"CASE WHEN {address} LIKE '//%' THEN 'https:' || {address} "
        f"WHEN regexp_full_match({address}, {literal(_NO_SCHEME)}) THEN 'https://' || {address} ELSE {address} END"
    )
