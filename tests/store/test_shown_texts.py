"""What shoppers see of titles, categories and addresses."""

from __future__ import annotations

import duckdb
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.store.uploads.shown_texts import register, shown_address, shown_text, without_markup

CONNECTION = duckdb.connect()
register(CONNECTION)


def sql(expression: str, text: str) -> str:
    found = CONNECTION.execute(f"SELECT {expression} FROM (SELECT ? AS text)", [text]).fetchone()
    assert found is not None
    return str(found[0])


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a &amp; b", "a & b"),
        ("A &#8211; B", "A – B"),
        ("K&auml;se &#xE4;", "Käse ä"),
        ("R&amp;amp;D", "R&D"),
        ("R&D", "R&D"),
        ("Tom&notes", "Tom&notes"),
        ("<b>Tea</b>", "Tea"),
        ("Tea<br/>cup", "Tea cup"),
        ('<p class="x">Tea</p>', "Tea"),
        ("&lt;b&gt;Tea&lt;/b&gt;", "Tea"),
        ("<script>alert(1)</script>Tea", "Tea"),
        ("<!-- draft -->Tea", "Tea"),
        ("Size <M>", "Size <M>"),
        ("a < b > c", "a < b > c"),
        ("I <3 tea", "I <3 tea"),
        ("NULL", ""),
        ("Tea&nbsp;cup", "Tea cup"),
        ("plain", "plain"),
    ],
)
def test_a_text_is_shown_without_markup(text: str, shown: str) -> None:
    assert sql(shown_text("text"), text) == shown


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("https://h/My picture.jpg", "https://h/My%20picture.jpg"),
        ("//host/a.jpg", "https://host/a.jpg"),
        ("www.example.org/a.jpg", "https://www.example.org/a.jpg"),
        ("https://h/a?x=1&amp;y=2", "https://h/a?x=1&y=2"),
        (" https://h/a.jpg ", "https://h/a.jpg"),
        ("HTTP://h/a.jpg", "HTTP://h/a.jpg"),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("/media/a.jpg", "/media/a.jpg"),
        ("a.jpg", "a.jpg"),
    ],
)
def test_an_address_is_repaired(address: str, shown: str) -> None:
    assert sql(shown_address("text"), address) == shown


@given(st.text(st.sampled_from("<>/bp&;amplt #8x\n"), max_size=30))
def test_no_tag_is_left(text: str) -> None:
    shown = without_markup(text)
    assert "<b>" not in shown
    assert "</p>" not in shown
