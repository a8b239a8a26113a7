"""Every small change of a document, through all the formats that lie in each other inside it.

A bundle is JSON, whose texts are base64, whose octets are JSON or DER again, and a log checkpoint
is lines of text. Each change is made in its own format and everything around it is encoded anew,
so that no outer format notices it. What a change does to a verdict is not decided here.
"""

import base64
import binascii
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from tests.fuzz.der import Change, changes_of_der, is_der

MEDIA_TYPES = (
    "application/vnd.dev.sigstore.bundle+json;version=0.1",
    "application/vnd.dev.sigstore.bundle+json;version=0.2",
    "application/vnd.dev.sigstore.bundle+json;version=0.3",
    "application/vnd.dev.sigstore.bundle.v0.3+json",
)
EMPTY: tuple[Any, ...] = (None, "", "0", 0, False, [], {})
BUNDLE_NAMES = (
    "algorithm", "certificate", "certificates", "checkpoint", "digest", "dsseEnvelope", "hashes",
    "inclusionPromise", "inclusionProof", "integratedTime", "keyid", "logIndex", "messageDigest",
    "messageSignature", "publicKey", "rfc3161Timestamps", "signatures", "surprise",
    "timestampVerificationData", "treeSize", "x509CertificateChain",
)  # fmt: skip
"""Fields of a bundle's messages, which are put where they are not, and one that no message has."""


def changes(
    content: bytes, stride: int, names: tuple[str, ...] = ("surprise",)
) -> Iterator[Change]:
    """Yield every change of a document; of the positions of octets and texts each `stride`th.

    `names` are what members are put into the objects of a JSON document, where they are not there.
    """
    document = read_object(content)
    if document is not None:
        yield from changes_of_json(document, stride, names)
    elif is_der(content):
        yield from changes_of_der(content)
    yield from changes_of_octets(content, stride)


def inside(
    place: str, found: Iterator[Change], wrap: Callable[[bytes], bytes | None]
) -> Iterator[Change]:
    """Encode the changes of a part anew in what surrounds it."""
    for one in found:
        content = wrap(one.content)
        if content is not None:
            yield replace(one, place=place + one.place, content=content)


def changes_of_octets(content: bytes, stride: int) -> Iterator[Change]:
    """Flip a bit, delete, duplicate and insert, at every position."""
    for at in range(0, len(content), stride):
        flipped = bytes([content[at] ^ 1 << at % 8])
        yield Change("", "flip", content[:at] + flipped + content[at + 1 :])
        yield Change("", "delete", content[:at] + content[at + 1 :])
        yield Change("", "duplicate", content[: at + 1] + content[at:])
        yield Change("", "insert", content[:at] + b"\0" + content[at:])
    for more in (b"\0", b"\n", b" ", content):
        yield Change("", "append", content + more)


def read_object(content: bytes) -> Any:
    """Read a JSON object; None where octets are something else."""
    try:
        document = json.loads(content)
    except ValueError:
        return None
    return document if isinstance(document, dict) else None


def changes_of_json(document: Any, stride: int, names: tuple[str, ...]) -> Iterator[Change]:
    """Spell a document in another way, change its structure, then what is in its texts."""
    yield from (Change("", "spell", one) for one in spellings(document))
    for path in places(document):
        name = ".".join("[]" if isinstance(key, int) else key for key in path).replace(".[]", "[]")
        value = look_up(document, path)
        for how, edited in edits(document, path, names):
            yield Change(name, how, json.dumps(edited).encode())
        if isinstance(value, str):

            def wrap(part: bytes, path: tuple[Any, ...] = path) -> bytes | None:
                try:
                    text = part.decode()
                except UnicodeDecodeError:
                    return None
                return json.dumps(put(document, path, text)).encode()

            yield from inside(name, changes_of_text(value, stride), wrap)


def spellings(document: Any) -> Iterator[bytes]:
    """Write the same JSON otherwise: space, order, escapes, and a key that stands twice."""
    text = json.dumps(document)
    yield json.dumps(document, indent=1).encode()
    yield json.dumps(document, sort_keys=True).encode()
    yield b"\xef\xbb\xbf" + text.encode()
    yield text.replace("e", "\\u0065", 1).encode()
    yield text.replace("/", "\\/").encode()
    for path in places(document):
        if isinstance(path[-1], str):
            pair = json.dumps({path[-1]: look_up(document, path)})[1:-1]
            yield text.replace(pair, f"{pair}, {pair}", 1).encode()


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to everything inside a JSON value."""
    if isinstance(value, dict | list):
        for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield (*path, key)
            yield from places(inner, (*path, key))


def look_up(value: Any, path: tuple[Any, ...]) -> Any:
    """Return what is at a path."""
    for key in path:
        value = value[key]
    return value


def put(value: Any, path: tuple[Any, ...], new: Any) -> Any:
    """Return a copy of a JSON value with something else at a path."""
    if not path:
        return new
    copied = value.copy()
    copied[path[0]] = put(value[path[0]], path[1:], new)
    return copied


def edits(
    document: Any, path: tuple[Any, ...], names: tuple[str, ...]
) -> Iterator[tuple[str, Any]]:
    """Remove, empty, repeat and move what is at a path, and put into it what does not belong."""
    *way, key = path
    above, value = look_up(document, tuple(way)), look_up(document, path)
    for other in EMPTY:
        yield "empty", put(document, path, other)
    if isinstance(above, list):
        yield "duplicate", put(document, tuple(way), [*above[:key], value, *above[key:]])
        yield "delete", put(document, tuple(way), [*above[:key], *above[key + 1 :]])
        yield "reverse", put(document, tuple(way), above[::-1])
        yield "insert", put(document, tuple(way), [*above, None])
    else:
        yield "delete", put(document, tuple(way), {k: v for k, v in above.items() if k != key})
        snake = "".join(f"_{one.lower()}" if one.isupper() else one for one in key)
        if snake != key:
            yield "rename", put(document, tuple(way), {**above, snake: above[key]})
        for other in above.keys() - {key}:
            yield (
                "delete two",
                put(
                    document, tuple(way), {k: v for k, v in above.items() if k not in (key, other)}
                ),
            )
    if isinstance(value, dict):
        for name in names:
            for other in () if name in value else (None, "", "0", [], {}):
                yield "insert", put(document, path, {**value, name: other})
    for other in retypes(key, value):
        yield "retype", put(document, path, other)


def retypes(key: Any, value: Any) -> Iterator[Any]:
    """Give what says the same in another type, or for a bundle's version the other versions."""
    if key == "mediaType":
        yield from MEDIA_TYPES
    elif isinstance(value, str) and value.isdigit():
        yield int(value)
    elif isinstance(value, int):
        yield str(value)


def changes_of_text(text: str, stride: int) -> Iterator[Change]:
    """Change a text as what it is: base64 around something, a signed note, or characters."""
    content = decode(text)
    if content is not None:
        for one in (
            text.rstrip("="),
            text + "=",
            text + "\n",
            text[:4] + "\n" + text[4:],
            " " + text,
        ):
            yield Change("", "respell", one.encode())
        yield Change("", "respell", base64.urlsafe_b64encode(content))
        yield from (Change("", "respell", one.encode()) for one in spare_bits(text))
        yield from inside("", changes(content, stride), base64.b64encode)
    elif "\n\n" in text:
        yield from changes_of_note(text, stride)
    else:
        yield from changes_of_octets(text.encode(), stride)


def decode(text: str) -> bytes | None:
    """Decode base64, or return None where a text is none, or too short to be told from a word."""
    try:
        return base64.b64decode(text, validate=True) if len(text) >= 8 else None
    except (binascii.Error, ValueError):
        return None


def spare_bits(text: str) -> Iterator[str]:
    """Set the bits of the last character that belong to no octet."""
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
    kept = text.rstrip("=")
    if len(kept) < len(text):
        yield kept[:-1] + alphabet[alphabet.index(kept[-1]) | 1] + text[len(kept) :]


def changes_of_note(text: str, stride: int) -> Iterator[Change]:
    """Change a signed note: its lines, and the octets that are encoded at the end of them."""
    lines = text.split("\n")
    for at, line in enumerate(lines):
        for how, new in (("delete", []), ("duplicate", [line, line]), ("insert", [line, ""])):
            yield Change("", how, "\n".join([*lines[:at], *new, *lines[at + 1 :]]).encode())
        before, space, word = line.rpartition(" ")
        content = decode(word)
        if content is not None:
            # A signature stands behind four octets that say whose it is.
            for kept in (0, 4):
                start = before + space, content[:kept]
                part = changes(content[kept:], stride)
                yield from inside("", part, partial(write_line, lines, at, *start))
    for name in ("a-witness", lines[0]):
        cosigned = f"\N{EM DASH} {name} {base64.b64encode(bytes(68)).decode()}\n"
        yield Change("", "cosign", (text + cosigned).encode())
    yield from changes_of_octets(text.encode(), stride)


def write_line(lines: list[str], at: int, before: str, kept: bytes, part: bytes) -> bytes:
    """Write a note with other octets at the end of one line."""
    line = before + base64.b64encode(kept + part).decode()
    return "\n".join([*lines[:at], line, *lines[at + 1 :]]).encode()
