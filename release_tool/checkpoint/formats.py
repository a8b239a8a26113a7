"""Says what a file handed in as a checkpoint is, from its first bytes; it judges none of them."""

from enum import Enum

ZIP = b"PK\x03\x04"
# The legacy format begins with a pickle of this number (torch/serialization.py, MAGIC_NUMBER).
LEGACY_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."
SNIFFED_BYTES = 4096


class Format(Enum):
    """What a file looks like, each with the words for an error message."""

    ZIP = "a zip archive"
    LEGACY = "a checkpoint in torch's legacy format"
    PICKLE = "a bare pickle"
    EMPTY = "an empty file"
    HTML = "an HTML page"
    ONNX = "an ONNX model"
    SAFETENSORS = "a safetensors file"
    JSON = "a JSON document"
    GZIP = "a gzip archive"
    HDF5 = "an HDF5 file"
    LFS = "a Git LFS pointer"
    TEXT = "a text"
    UNKNOWN = "nothing that torch writes"


STARTS = (
    (ZIP, Format.ZIP),
    (LEGACY_MAGIC, Format.LEGACY),
    (b"\x1f\x8b", Format.GZIP),
    (b"\x89HDF", Format.HDF5),
    (b"version https://git-lfs", Format.LFS),
)


def recognise(content: memoryview) -> Format:
    """Return what a file's first bytes say it is."""
    start = bytes(content[:SNIFFED_BYTES])
    if not start:
        return Format.EMPTY
    for prefix, kind in STARTS:
        if start.startswith(prefix):
            return kind
    if start[8:10] == b'{"' and int.from_bytes(start[:8], "little") < len(content):
        return Format.SAFETENSORS
    # A ModelProto: ir_version (field 1), then a producer, a graph or an opset.
    if (
        start[0] == 0x08
        and start[1:2] < b"\x20"
        and start[2:3] in {b"\x12", b"\x1a", b"\x3a", b"B"}
    ):
        return Format.ONNX
    if start[0] == 0x80 and start[1:2] <= b"\x05":
        return Format.PICKLE
    return recognise_text(start)


def recognise_text(start: bytes) -> Format:
    """Tell an HTML page and a JSON document from other texts, and a pickle of protocol 0."""
    text = start.removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    if text.startswith(b"<") or b"<html" in text:
        return Format.HTML
    if text.startswith((b"{", b"[")):
        return Format.JSON
    if start[:1] in b"c(]}Il":
        return Format.PICKLE
    return Format.TEXT if start.isascii() and b"\0" not in start else Format.UNKNOWN
