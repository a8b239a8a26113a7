"""JSON is read strictly and within limits, and written in one form."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_tool.core.documents import MAX_DEPTH, encode_json, parse_json_object
from release_tool.core.errors import InputError

SCALARS = st.none() | st.booleans() | st.integers(-(10**30), 10**30) | st.text(max_size=20)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(max_size=5), VALUES, max_size=4))
def test_what_is_written_is_read_back(document: dict[str, object]):
    assert parse_json_object(encode_json(document), "it") == document


@given(st.binary(max_size=200))
def test_any_bytes_are_an_object_or_an_input_error(content: bytes):
    with contextlib.suppress(InputError):
        assert isinstance(parse_json_object(content, "it"), dict)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "not valid JSON"),
        (b"[]", "not a JSON object"),
        (b'{"a":1,"a":2}', "duplicate key 'a'"),
        (b'{"a":{"b":1,"b":1}}', "duplicate key 'b'"),
        (b'{"a":NaN}', "NaN is not JSON"),
        (b'{"a":-Infinity}', "Infinity is not JSON"),
        (b'{"a":\xff}', "not valid JSON"),
        (b'{"a":' + b"9" * 5000 + b"}", "too long"),
        (b'{"a":1e999}', "out of range"),
        (b'{"a":-1e999}', "out of range"),
        (b'{"a":0.' + b"1" * 5000 + b"}", "too long"),
        (b'{"a":"\\ud800"}', "surrogate"),
        (b'{"\\uDFFF":1}', "surrogate"),
        (b'{"a":' + b"[" * 100_000, "levels deep"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, "levels deep"),
    ],
)
def test_what_readers_could_disagree_on_is_refused(content: bytes, reason: str):
    with pytest.raises(InputError, match=reason):
        parse_json_object(content, "it")


def test_brackets_inside_text_are_not_nesting():
    text = '["\\"[{' * 1 + "[{" * 100
    assert parse_json_object(encode_json({"a": text}), "it") == {"a": text}


def test_a_pair_of_surrogates_is_one_character():
    assert parse_json_object(b'{"a":"\\ud83d\\ude00"}', "it") == {"a": "\N{GRINNING FACE}"}


def test_the_deepest_allowed_nesting_is_read():
    content = b'{"a":' * MAX_DEPTH + b"1" + b"}" * MAX_DEPTH
    assert parse_json_object(content, "it")


def test_nan_is_never_written():
    with pytest.raises(ValueError, match="not JSON compliant"):
        encode_json({"a": float("nan")})
