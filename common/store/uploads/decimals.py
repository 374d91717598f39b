"""The reading of numbers in the forms that people write: 1234.5, 1234,50, 1.234,50, 1 234,50, 15.00 EUR."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from common.store.engine import Connection, literal
from common.store.uploads.currencies import without_currency
from common.store.uploads.fields import FLOATING, NEVER, WHOLE, Field, given, matches, unreadable, wrong_type
from common.store.uploads.files import Column, Table
from common.store.uploads.places import place_of
from common.store.uploads.reasons import NUMBER_FORMS
from common.store.uploads.texts import named, trimmed

_SIMPLE: Final = r"[0-9]{1,15}(\.[0-9]{1,2})?"
_PLAIN: Final = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?"
_COMMA: Final = r"[+-]?([0-9]+|[0-9]{1,3}(\.[0-9]{3})+),[0-9]+"
_GROUPED_BY_COMMA: Final = r"[+-]?[0-9]{1,3}((,[0-9]{3})+\.[0-9]+|(,[0-9]{3}){2,})"
_GROUPED_BY_DOT: Final = r"[+-]?[0-9]{1,3}(\.[0-9]{3}){2,}"
_THREE_AFTER_COMMA: Final = "[+-]?[1-9][0-9]{0,2},[0-9]{3}"
_THREE_AFTER_DOT: Final = r"[+-]?[1-9][0-9]{0,2}\.[0-9]{3}"
_WITH_DOT: Final = r"[+-]?[0-9]*\.[0-9]+"
_PIECES_WITH_THREE: Final = r"[0-9]+\.[0-9]{3}"
_SPACES: Final = "[ \u00a0\u2009\u202f'’]"
_GROUPED_BY_SPACE: Final = f"[+-]?[0-9]{{1,3}}({_SPACES}[0-9]{{3}})+([.,][0-9]+)?"


@dataclass(frozen=True)
class NumberStyle:
    """How a file writes numbers. `comma`: it has decimal commas such as 12,50, so that 1,234 is not 1234.
    `dots_unclear`: it has numbers such as 1.299 and nothing that shows whether a dot is before decimals."""

    comma: bool = False
    dots_unclear: bool = False


class MixedDecimals(Exception):
    """Several uploads do not write numbers in one style: the same text is another number in each.

    `styles` are those of the uploads by place."""

    def __init__(self, styles: Mapping[int, NumberStyle]) -> None:
        super().__init__(f"{len(styles)} uploads write numbers in {len(set(styles.values()))} styles")
        self.styles = styles


def decimal(column: str, raw: str, kind: str, style: NumberStyle) -> Field:
    """Returns a number's field, as DOUBLE. A currency beside it is passed over."""
    is_given, text = given(raw, kind), f"{raw}::VARCHAR"
    if kind in WHOLE or kind.startswith("DECIMAL"):
        return Field(column, f"{raw}::DOUBLE", is_given, text=text)
    if kind in FLOATING:
        return Field(column, f"CASE WHEN isfinite({raw}) THEN {raw}::DOUBLE END", is_given, text=text)
    if kind != "VARCHAR":
        raise wrong_type(column, kind, NUMBER_FORMS)
    unclear = _THREE_AFTER_DOT if style.comma or style.dots_unclear else _THREE_AFTER_COMMA
    if style.dots_unclear and not style.comma:
        unclear = f"({_THREE_AFTER_DOT})|({_THREE_AFTER_COMMA})"
    # Most numbers are written so that nothing has to be looked for.
    simple = matches(raw, _SIMPLE)
    ambiguous = f"CASE WHEN {simple} THEN false ELSE {matches(_bare(raw), unclear)} END"
    value = f"CASE WHEN {simple} THEN try_cast({raw} AS DOUBLE) ELSE {_slowly(raw, unclear)} END"
    return Field(column, value, is_given, ambiguous, text)


def _slowly(raw: str, unclear: str) -> str:
    """SQL of the number that a text holds in whatever form; NULL where there is none or it is unclear."""

    def value(written: str) -> str:
        number = named(
            f"try_cast({_with_dot(written)} AS DOUBLE)", "n", lambda n: f"CASE WHEN isfinite({n}) THEN {n} END"
        )
        return f"CASE WHEN {matches(written, unclear)} THEN NULL ELSE {number} END"

    return named(_bare(raw), "written", value)


def number_style(connection: Connection, table: Table, columns: Sequence[Column]) -> NumberStyle:
    """How the text columns among these write numbers.

    Raises `MixedDecimals` for several uploads that do not all do it alike."""
    texts = [column for column in columns if column.kind == "VARCHAR"]
    if not texts:
        return NumberStyle()
    place = place_of(table.row) if table.several else "0"
    # Prices repeat: each is looked at once.
    values = " UNION ALL ".join(
        f"SELECT DISTINCT {place} AS place, {literal(column.name.strip().casefold())} AS name, {column.raw} AS raw "
        f"FROM {table.relation}"
        for column in texts
    )
    found = connection.execute(
        f"SELECT place, bool_or(comma), bool_or(three) AND NOT bool_or(dot) FROM ("
        f"SELECT place, name, coalesce(bool_or({_shows_comma('it')}), false) AS comma, "
        f"coalesce(bool_or({matches('it', _THREE_AFTER_DOT)}), false) AS three, "
        f"coalesce(bool_or({_shows_dot('it')}), false) OR (name = 'qty' AND "
        f"coalesce(bool_and({matches('it', _PIECES_WITH_THREE)}), false)) AS dot "
        f"FROM (SELECT place, name, {_bare('raw')} AS it FROM ({values}) WHERE {given('raw', 'VARCHAR')}) "
        f"GROUP BY place, name) GROUP BY place"
    ).fetchall()
    styles = {place: NumberStyle(comma, unclear) for place, comma, unclear in found}
    if len(set(styles.values())) > 1:
        raise MixedDecimals(styles)
    return next(iter(styles.values()), NumberStyle())


def decimal_problems(field: Field) -> str:
    """SQL of the branches of a CASE over parsed rows that give a number's problem."""
    column = field.column
    ambiguous = "" if field.ambiguous == NEVER else f"WHEN {column}_ambiguous THEN '{column}_ambiguous' "
    return ambiguous + unreadable(field, f"{column}_not_a_number")


def _bare(raw: str) -> str:
    return named(trimmed(raw), "cut", lambda cut: named(without_currency(cut), "bare", _without_spaces))


def _shows_comma(written: str) -> str:
    excluded = f"{matches(written, _THREE_AFTER_COMMA)} OR {matches(written, _GROUPED_BY_COMMA)}"
    return f"({matches(written, _COMMA)} AND NOT ({excluded}))"


def _shows_dot(written: str) -> str:
    decimals = f"{matches(written, _WITH_DOT)} AND NOT {matches(written, _THREE_AFTER_DOT)}"
    return f"(({decimals}) OR {matches(written, _GROUPED_BY_COMMA)})"


def _without_spaces(text: str) -> str:
    grouped = matches(text, _GROUPED_BY_SPACE)
    return f"CASE WHEN {grouped} THEN regexp_replace({text}, {literal(_SPACES)}, '', 'g') ELSE {text} END"


def _with_dot(text: str) -> str:
    """SQL of a number's text with a decimal dot and without separators of thousands; NULL for other text."""
    return (
        f"CASE WHEN {matches(text, _PLAIN)} THEN {text} "
        f"WHEN {matches(text, _GROUPED_BY_COMMA)} THEN replace({text}, ',', '') "
        f"WHEN {matches(text, _COMMA)} THEN replace(replace({text}, '.', ''), ',', '.') "
        f"WHEN {matches(text, _GROUPED_BY_DOT)} THEN replace({text}, '.', '') END"
    )
