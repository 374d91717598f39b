"""The reading of an upload's columns, as SQL. Accepted values depend on the type in the file; in CSV all is text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from common.errors import FileRejected
from common.schemas.data import EVENT_TYPES
from common.store.engine import literal
from common.store.uploads.reasons import BOOL_FORMS, MAX_ID_BYTES
from common.store.uploads.texts import SCIENTIFIC, is_nothing, plain_id_sql, plain_text_sql, trimmed

WHOLE: Final = {"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"}
FLOATING: Final = {"FLOAT", "DOUBLE"}
_TRUE: Final = "('true', 't', 'yes', 'y', '1')"
_FALSE: Final = "('false', 'f', 'no', 'n', '0')"

_IN_STOCK: Final = (
    "('instock', 'available', 'preorder', 'presale', 'backorder', 'limitedavailability', 'onlineonly', 'instoreonly')"
)
_SOLD_OUT: Final = "('outofstock', 'soldout', 'unavailable', 'discontinued')"

NEVER: Final = "false"

# The numbers below which a floating-point column holds each whole number.
_EXACT: Final = {"FLOAT": "16777216", "DOUBLE": "1e15"}
_SCIENTIFIC_FORM: Final = "'1e+15'"
_WHOLE_DECIMAL: Final = r"-?[0-9]+(\.0*)?"

# Number of characters of a refused value's shape that are shown.
_SHAPE_LENGTH: Final = 60


@dataclass(frozen=True)
class Field:
    """A column of the contract as SQL expressions over the upload's columns.

    `value` is the typed value, NULL if the row has none or it cannot be read. `given` says whether the row has a value,
    `ambiguous` whether it can be read in more than one way. `text` is the value as written in the file.
    """

    column: str
    value: str
    given: str
    ambiguous: str = NEVER
    text: str = "NULL"

    @property
    def is_absent(self) -> bool:
        return self.given == NEVER

    def select(self) -> str:
        """SQL of the field's columns in a relation of parsed rows: `x`, `x_given`, `x_ambiguous` and `x_text`."""
        return (
            f"{self.value} AS {self.column}, {self.given} AS {self.column}_given, "
            f"{self.ambiguous} AS {self.column}_ambiguous, {self.text} AS {self.column}_text"
        )


def absent(column: str, default: str) -> Field:
    """Returns the field of a column that the file does not have."""
    return Field(column, value=default, given=NEVER)


def identifier(column: str, raw: str, kind: str) -> Field:
    """Returns an id's field, as text. Whole numbers in a floating-point column are written without decimals."""
    if kind not in WHOLE | FLOATING | {"VARCHAR", "UUID"} and not kind.startswith("DECIMAL"):
        raise wrong_type(column, kind, "text or whole numbers")
    value = text = f"{raw}::VARCHAR"
    if kind == "VARCHAR":
        return Field(column, raw, f"coalesce({plain_id_sql(raw)} <> '', false)", text=raw)
    if kind in FLOATING:
        # Above, the number may be rounded: it stays as it is written, and is refused for its form.
        exact = f"abs({raw}) < {_EXACT[kind]}"
        whole = f"isfinite({raw}) AND {raw} = floor({raw})"
        value = f"CASE WHEN {whole} AND {exact} THEN {raw}::BIGINT::VARCHAR WHEN {whole} THEN {_SCIENTIFIC_FORM} END"
    elif kind.startswith("DECIMAL"):
        value = f"CASE WHEN {matches(text, _WHOLE_DECIMAL)} THEN split_part({text}, '.', 1) END"
    return Field(column, value, given(raw, kind), text=text)


def boolean(column: str, raw: str, kind: str) -> Field:
    """Returns a truth value's field, as BOOLEAN."""
    is_given, text = given(raw, kind), f"{raw}::VARCHAR"
    if kind == "BOOLEAN":
        return Field(column, raw, is_given, text=text)
    if kind not in WHOLE | FLOATING | {"VARCHAR"} and not kind.startswith("DECIMAL"):
        raise wrong_type(column, kind, BOOL_FORMS)
    word = f"lower({plain_id_sql(text)})"
    return Field(
        column, f"CASE WHEN {word} IN {_TRUE} THEN true WHEN {word} IN {_FALSE} THEN false END", is_given, text=text
    )


def availability(column: str, raw: str, kind: str) -> Field:
    """Returns the field of a truth value that is written in the words of product feeds, or as one."""
    plain = boolean(column, raw, kind)
    word = f"regexp_replace(lower({plain_id_sql(f'{raw}::VARCHAR')}), '^https?://schema.org/|[ _-]', '', 'g')"
    value = f"CASE WHEN {word} IN {_IN_STOCK} THEN true WHEN {word} IN {_SOLD_OUT} THEN false ELSE {plain.value} END"
    return Field(column, value, plain.given, text=plain.text)


def event_type(column: str, raw: str, kind: str) -> Field:
    """Returns an event type's field, as its position in EVENT_TYPES. An empty value is a purchase."""
    if kind != "VARCHAR":
        raise wrong_type(column, kind, ", ".join(EVENT_TYPES))
    word = f"lower({trimmed(raw)})"
    branches = " ".join(f"WHEN {word} = {literal(name.value)} THEN {code}" for code, name in enumerate(EVENT_TYPES))
    is_given = given(raw, kind)
    return Field(column, f"(CASE WHEN NOT {is_given} THEN 0 {branches} END)::UTINYINT", is_given, text=raw)


def plain_text(column: str, raw: str) -> Field:
    """Returns a text's field, in its plain form. A missing value is an empty text."""
    text = f"{raw}::VARCHAR"
    return Field(column, f"coalesce({plain_text_sql(text)}, '')", f"{raw} IS NOT NULL", text=text)


def id_problem(column: str, value: str) -> str:
    """SQL of the problem code of a plain id that is not NULL. It is slow, and so meant for distinct ids."""
    return (
        f"CASE WHEN {value} = '' THEN '{column}_empty' "
        f"WHEN strlen({value}) > {MAX_ID_BYTES} THEN '{column}_too_long' "
        f"WHEN {matches(value, SCIENTIFIC)} THEN '{column}_scientific' "
        f"WHEN regexp_matches({value}, '[\\p{{Cc}}\\x{{2028}}\\x{{2029}}]') THEN '{column}_control_characters' END"
    )


def unreadable(field: Field, code: str) -> str:
    """SQL of the branch for a value that is given and cannot be read."""
    return "" if field.is_absent else f"WHEN {field.column}_given AND {field.column} IS NULL THEN {literal(code)}"


def shape(text: str) -> str:
    """SQL of a value's shape: letters become a, digits 9. It shows a wrong format and reveals no name."""
    letters = f"regexp_replace(left({text}, {_SHAPE_LENGTH}), '\\p{{L}}', 'a', 'g')"
    return f"regexp_replace(regexp_replace({letters}, '\\p{{N}}', '9', 'g'), '[^a9[:punct:] ]', '?', 'g')"


def given(raw: str, kind: str) -> str:
    """SQL of whether a row has a value in this column."""
    if kind == "VARCHAR":
        return f"coalesce(NOT {is_nothing(trimmed(raw))}, false)"
    if kind in FLOATING:
        return f"({raw} IS NOT NULL AND NOT isnan({raw}))"
    return f"({raw} IS NOT NULL)"


def matches(text: str, pattern: str) -> str:
    return f"coalesce(regexp_full_match({text}, {literal(pattern)}), false)"


def wrong_type(column: str, kind: str, accepted: str) -> FileRejected:
    return FileRejected(f"the column {column} has the type {kind}; accepted: {accepted}")
