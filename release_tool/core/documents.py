"""JSON as bytes: read strictly and within limits, written in one canonical form."""

import json
import math
from collections.abc import Mapping
from typing import Any, NoReturn

from release_tool.core.errors import InputError

JsonObject = dict[str, Any]

MAX_DEPTH = 32
MAX_NUMBER_LENGTH = 40


def encode_json(value: Mapping[str, Any]) -> bytes:
    """Write a document in the form that every file of ours has.

    UTF-8, keys in the given order, two spaces of indent, one final line feed, no NaN.
    """
    text = json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False)
    return text.encode() + b"\n"


def parse_json_object(content: bytes, what: str) -> JsonObject:
    """Read one JSON object (RFC 8259) from untrusted bytes; raises `InputError` naming `what`.

    As strict as `parse_json`, and refuses every value that is not an object.
    """
    value = parse_json(content, what)
    if not isinstance(value, dict):
        raise InputError(f"{what} is not a JSON object")
    return value


def parse_json(content: bytes, what: str) -> Any:
    """Read one JSON value (RFC 8259) from untrusted bytes; raises `InputError` naming `what`.

    Stricter than the standard library: no duplicate key, no NaN or infinity, no number out of
    range or of absurd length, no lone surrogate, at most 32 levels. The caller limits the size
    before it calls.
    """
    try:
        text = content.decode("utf-8", errors="strict")
        if text.count("{") + text.count("[") > MAX_DEPTH:  # fewer cannot nest deeper
            check_depth(text)
        value = json.loads(
            text,
            object_pairs_hook=unique_keys,
            parse_constant=refuse_constant,
            parse_float=finite_float,
            parse_int=bounded_int,
        )
        if "\\u" in text:  # only an escape can smuggle in half of a character
            json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise InputError(f"{what} is not valid JSON: a lone surrogate is no text") from error
    except (ValueError, RecursionError) as error:
        raise InputError(f"{what} is not valid JSON: {str(error)[:200]}") from error
    return value


def check_depth(text: str) -> None:
    """Refuse nesting beyond 32 levels before a recursive parser sees the text."""
    depth = 0
    quoted = escaped = False
    for character in text:
        if quoted:
            if escaped:
                escaped = False
            elif character == "\\":
                escaped = True
            elif character == '"':
                quoted = False
        elif character == '"':
            quoted = True
        elif character in "[{":
            depth += 1
            if depth > MAX_DEPTH:
                raise ValueError(f"nested more than {MAX_DEPTH} levels deep")
        elif character in "]}":
            depth -= 1


def unique_keys(pairs: list[tuple[str, Any]]) -> JsonObject:
    """Build an object, refusing a key that stands twice in it."""
    result: JsonObject = {}
    for key, value in pairs:
        if key in result:
            raise ValueError(f"duplicate key {key[:80]!r}")
        result[key] = value
    return result


def refuse_constant(name: str) -> NoReturn:
    """Refuse the NaN and Infinity that Python's parser would take."""
    raise ValueError(f"{name} is not JSON")


def bounded_int(text: str) -> int:
    """Read an integer of a length that costs nothing to convert."""
    if len(text) > MAX_NUMBER_LENGTH:
        raise ValueError("a number is too long")
    return int(text)


def finite_float(text: str) -> float:
    """Read a number with a fraction or an exponent that a double can hold (IEEE 754)."""
    if len(text) > MAX_NUMBER_LENGTH:
        raise ValueError("a number is too long")
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text} is out of range")
    return number
