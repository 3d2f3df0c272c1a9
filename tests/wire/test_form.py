"""Reading form bodies: no parameter twice, and text in valid UTF-8."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hookkey_verify._wire.form import MAX_PARAMETERS, FormError, read_form


@pytest.mark.parametrize(
    ("body", "form"),
    [
        (b"", {}),
        (b"a=1&b=2", {"a": "1", "b": "2"}),
        (b"a=1&b=", {"a": "1"}),
        (b"a", {}),
        (b"a=b=c", {"a": "b=c"}),
        (b"a=x+y%20z", {"a": "x y z"}),
        (b"%61=%C3%A9", {"a": "\u00e9"}),
        (b"a=%00", {"a": "\x00"}),
        (b"a=1&=2", {"a": "1", "": "2"}),
        (b"&a=1&&b=2&", {"a": "1", "b": "2"}),
        (b"&", {}),
    ],
)
def test_what_is_read(body: bytes, form: dict[str, str]) -> None:
    """A valid form is read, and a parameter without a value counts as absent."""
    assert read_form(body) == form


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        (b"a=1&a=1", "twice"),
        (b"a=1&%61=2", "twice"),
        (b"a=&a=", "twice"),
        (b"a=1&a", "twice"),
        (b"a=%", "escape"),
        (b"a=%4", "escape"),
        (b"a=%zz", "escape"),
        (b"%g1=1", "escape"),
        (b"a=%ff", "UTF-8"),
        (b"a=%ed%a0%80", "UTF-8"),
        (b"a=\xc3\xa9", "ASCII"),
        (b"\xff", "ASCII"),
        (b"&".join(b"a%d=1" % n for n in range(MAX_PARAMETERS + 1)), "too many"),
    ],
)
def test_what_is_refused(body: bytes, problem: str) -> None:
    """The error names the broken rule, and no chained error contains the body."""
    with pytest.raises(FormError, match=problem) as refused:
        read_form(body)
    assert refused.value.__cause__ is None
    assert refused.value.__context__ is None


def test_known_values() -> None:
    """An escaped value in ``known`` is replaced by its given text; other values are decoded."""
    form = read_form(b"a=x%3Ay&b=x%3Az&c=x%3Ay", {"x%3Ay": "given"})
    assert form == {"a": "given", "b": "x:z", "c": "given"}


@given(st.dictionaries(st.text(), st.text(min_size=1), max_size=MAX_PARAMETERS))
def test_what_was_written_is_read(form: dict[str, str]) -> None:
    """A form that the standard library encoded is read without a change."""
    assert read_form(urlencode(form, errors="strict").encode()) == form if _utf8(form) else True


def _utf8(form: dict[str, str]) -> bool:
    return not any("\ud800" <= c <= "\udfff" for text in (*form, *form.values()) for c in text)
