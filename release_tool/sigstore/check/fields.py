"""Reads the JSON form of Sigstore's protobuf messages field by field, in one spelling only.

Knows JSON and base64 and no message; every reader raises `InputError` naming the field.
"""

import base64
import binascii
from collections.abc import Collection
from datetime import datetime
from typing import Any

from release_tool.core.documents import JsonObject
from release_tool.core.errors import InputError
from release_tool.sigstore.check.refusal import show

UINT64_MAX = 2**64 - 1
MAX_LIST = 1024


def read_object(value: Any, where: str, known: Collection[str] | None = None) -> JsonObject:
    """Return an object without its null members (protobuf JSON: null is unset).

    With `known` given, any other member is refused: an unknown field is one that another verifier
    may obey.
    """
    if not isinstance(value, dict):
        raise InputError(f"{where} is not an object")
    if known is not None:
        for name in value:
            if name not in known:
                raise InputError(f"{where} has an unknown field {show(name)!r}")
    return {name: member for name, member in value.items() if member is not None}


def read_text(message: JsonObject, name: str, where: str) -> str:
    """Return a string field."""
    value = message.get(name)
    if not isinstance(value, str):
        raise InputError(f"{where}.{name} is missing or no string")
    return value


def read_octets(message: JsonObject, name: str, where: str) -> bytes:
    """Return a bytes field, in canonical base64 with padding (RFC 4648 §3.5 and §4), not empty.

    A decoder that skips foreign characters or ignores the spare bits of the last one would let the
    same bundle be written in several ways.
    """
    return decode_octets(read_text(message, name, where), f"{where}.{name}")


def decode_octets(text: str, where: str) -> bytes:
    """Decode canonical base64."""
    try:
        content = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise InputError(f"{where} is not base64") from error
    if not content or base64.b64encode(content).decode() != text:
        raise InputError(f"{where} is empty or not in canonical base64")
    return content


def read_uint64(message: JsonObject, name: str, where: str) -> int:
    """Return a 64-bit field, which protobuf JSON writes as a decimal string, or leaves out at 0."""
    if name not in message:
        return 0
    return decode_uint64(read_text(message, name, where), f"{where}.{name}")


def decode_uint64(text: str, where: str) -> int:
    """Read a decimal number without sign, space, underscore or leading zero."""
    plain = text.isascii() and text.isdigit() and len(text) <= 20
    if not plain or str(int(text)) != text or int(text) > UINT64_MAX:
        raise InputError(f"{where} is not an unsigned 64-bit number: {show(text)!r}")
    return int(text)


def read_list(message: JsonObject, name: str, where: str) -> list[Any]:
    """Return a repeated field; an absent one is empty."""
    value = message.get(name, [])
    if not isinstance(value, list) or len(value) > MAX_LIST:
        raise InputError(f"{where}.{name} is not a list, or has more than {MAX_LIST} items")
    return value


def read_moment(message: JsonObject, name: str, where: str) -> datetime:
    """Return an RFC 3339 time stamp, which must say its offset."""
    text = read_text(message, name, where)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise InputError(f"{where}.{name} is not a time stamp: {show(text)!r}") from error
    if moment.tzinfo is None:
        raise InputError(f"{where}.{name} lacks a time zone: {show(text)!r}")
    return moment
