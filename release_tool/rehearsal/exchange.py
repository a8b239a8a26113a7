"""One HTTP exchange as values: the request with its streamed body, the answer, the ways to fail.

`connection.py` reads and sends them over a socket.
"""

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from io import BufferedIOBase
from typing import Any, BinaryIO, Self

CHUNK_BYTES = 256 * 1024


class Refusal(Exception):
    """A request that is answered with an error status; the stand-in's `shape_error` words it.

    `facts` is for the stand-in alone, such as a service's own error code.
    """

    def __init__(self, status: int, message: str, **facts: Any) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.facts = facts


class Disconnect(Exception):
    """An order to break the connection without a (further) answer, on purpose.

    Raise it instead of answering, or from the iterator of a body that is half sent: the peer sees
    a TCP reset.
    """


class BrokenBody(Exception):
    """The client went away, or fell silent, before its whole body had come."""


class Body:
    """The content of a request as a stream of exactly `length` bytes.

    Reading raises `BrokenBody` where the client stops early. What is left unread is dropped.
    """

    def __init__(self, stream: BufferedIOBase, length: int) -> None:
        self._stream = stream
        self.length = length
        self.remaining = length

    def read(self, size: int = -1) -> bytes:
        """Read `size` bytes, fewer only at the end; everything that is left by default."""
        wanted = self.remaining if size < 0 else min(size, self.remaining)
        try:
            content = self._stream.read(wanted)
        except OSError as error:
            raise BrokenBody("the client stopped sending") from error
        self.remaining -= len(content)
        if len(content) < wanted:
            raise BrokenBody("the client stopped sending")
        return content

    def chunks(self, size: int = CHUNK_BYTES) -> Iterator[bytes]:
        """Yield the rest in pieces of at most `size` bytes."""
        while self.remaining:
            yield self.read(size)


@dataclass(frozen=True, slots=True)
class Request:
    """One request: `path` is percent-decoded, `query` holds the first value of each name.

    `parameters` are the named parts of the route's pattern, percent-decoded. `closing` is set when
    the server shuts down: an answer that stalls on purpose waits on it, never on a clock alone.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Message
    body: Body
    parameters: Mapping[str, str]
    closing: threading.Event


@dataclass(frozen=True, slots=True)
class Response:
    """One answer: bytes, an open binary file (sent from its position, then closed) or an iterator.

    A file's or iterator's `length` in bytes becomes Content-Length and defaults to what is left
    of the file; an iterator without one is sent chunked. A body that ends before its `length`
    breaks the connection, as a truncated download does.
    """

    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | BinaryIO | Iterator[bytes] = b""
    length: int | None = None

    @classmethod
    def of_json(cls, value: Any, status: int = 200, **headers: str) -> Self:
        """Answer with a JSON document; underscores in the headers' names stand for hyphens."""
        named = {name.replace("_", "-"): text for name, text in headers.items()}
        return cls(status, {"Content-Type": "application/json"} | named, json.dumps(value).encode())


Answer = Callable[[Request], Response]


def shape_plainly(refusal: Refusal) -> Response:
    """Word an error as `{"code": status, "message": text}`, as several Sigstore services do."""
    return Response.of_json(
        {"code": refusal.status, "message": refusal.message}, status=refusal.status
    )
