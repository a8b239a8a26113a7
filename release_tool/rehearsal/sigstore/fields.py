"""Single fields of untrusted requests, read with a refusal where they are not what they should be.

The services know what the fields mean.
"""

import base64
import binascii
from typing import Any

from release_tool.rehearsal.exchange import Refusal


def decode_base64(text: Any, what: str) -> bytes:
    """Read base64 out of an entry; raises `Refusal` 400."""
    if not isinstance(text, str):
        raise Refusal(400, f"{what} is missing")
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise Refusal(400, f"{what} is not base64") from error


def encode_base64(content: bytes) -> str:
    """Write bytes in base64."""
    return base64.b64encode(content).decode()


def member(value: Any, *names: str) -> Any:
    """Return what stands deep in a JSON document, or None where nothing does."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value
