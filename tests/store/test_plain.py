"""One rule for ids and texts: in Python for requests and tokens, in SQL for uploads."""

from __future__ import annotations

import unicodedata

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.ids import Pseudonymizer
from common.plain import NOTHING, SPACES, earlier_forms, plain_id, plain_text
from common.store.uploads.texts import plain_id_sql, plain_text_sql

CONNECTION = duckdb.connect()
LETTERS = st.characters(codec="utf-8", exclude_characters="\0", exclude_categories=("Cn", "Cs", "Co"))
TEXTS = (
    st.text(LETTERS, max_size=12)
    | st.text(st.sampled_from("017.5eE+-'= \u00a0\ufeff\u0301aé\t"), max_size=8)
    | st.tuples(st.text(SPACES, max_size=2), st.sampled_from((*NOTHING, "17.0", "0.0", "-5.00")), st.just(" ")).map(
        "".join
    )
)


@given(text=TEXTS)
@settings(deadline=None, max_examples=50)
def test_sql_and_python_have_one_plain_form(text: str) -> None:
    statement = f"SELECT {plain_text_sql('text')}, {plain_id_sql('text')} FROM (SELECT ? AS text)"
    assert CONNECTION.execute(statement, [text]).fetchone() == (plain_text(text), plain_id(text))


@given(text=TEXTS)
@settings(deadline=None, max_examples=50)
def test_the_plain_form_of_a_plain_form_is_itself(text: str) -> None:
    assert plain_id(plain_id(text)) == plain_id(text)
    assert plain_id(unicodedata.normalize("NFD", text)) == plain_id(text)


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("17.0", "17"),
        (" 17.00\u00a0", "17"),
        ("-5.0", "-5"),
        ("007.0", "007.0"),
        ("17.5", "17.5"),
        ("v1.0", "v1.0"),
        ("Bjo\u0308rn", "Björn"),
        (r"\N", ""),
        ("<NA>", ""),
        ("Nancy", "Nancy"),
    ],
)
def test_the_plain_form_of_an_id(text: str, plain: str) -> None:
    assert plain_id(text) == plain


def test_the_form_before_is_known_for_numbers_and_accents() -> None:
    assert earlier_forms("17") == ("17.0",)
    assert earlier_forms("17.0") == ("17.0",)
    assert earlier_forms("Björn") == ("Bjo\u0308rn",)
    assert earlier_forms("anna") == ()
    pseudonymizer = Pseudonymizer(bytes(16))
    assert pseudonymizer.user_keys("17") == (
        pseudonymizer.key_of_form("17"),
        pseudonymizer.key_of_form("17.0"),
    )
