"""One HTTP/1.1 connection of a stand-in, on the standard library's request parser.

It reads requests from a socket, sends answers and keeps the limits; routes are in `server.py`.
"""

import contextlib
import os
import socket
import struct
import threading
import urllib.parse
from collections.abc import Callable, Iterator
from functools import partial
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from typing import Any, BinaryIO, Protocol, cast

from release_tool.core.errors import InputError
from release_tool.rehearsal.exchange import (
    CHUNK_BYTES,
    Answer,
    Body,
    BrokenBody,
    Disconnect,
    Refusal,
    Request,
    Response,
)

MAX_DRAINED_BYTES = 16 * 1024 * 1024
DRAIN_TIMEOUT_SECONDS = 2.0
MAX_QUERY_FIELDS = 100
RESET_ON_CLOSE = struct.pack("ii", 1, 0)
"""SO_LINGER switched on with no time to linger: closing sends a TCP reset."""


class Endpoint(Protocol):
    """What a connection needs to know of the server that it belongs to."""

    timeout_seconds: float
    closing: threading.Event
    faults: list[Exception]
    shape_error: Callable[[Refusal], Response]

    def find_answer(self, method: str, path: str) -> tuple[Answer, dict[str, str], int]:
        """Return the answer for a raw path, the path's named parts and the body's limit."""


class Connection(BaseHTTPRequestHandler):
    """The exchanges on one connection; the base class calls `answer_one` for each method."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server_version = "release-tool-rehearsal"
    sys_version = ""

    def __getattr__(self, name: str) -> Any:
        """Accept every method: the base class looks for `do_` and the method's name."""
        if name.startswith("do_"):
            return self.answer_one
        raise AttributeError(name)

    @property
    def endpoint(self) -> Endpoint:
        """The server."""
        return cast("Endpoint", self.server)

    def setup(self) -> None:
        """Give the peer so long to send or to take something."""
        super().setup()
        self.connection.settimeout(self.endpoint.timeout_seconds)

    def answer_one(self) -> None:
        """Answer one request; whatever fails ends in an error answer or in a closed connection."""
        body = Body(self.rfile, 0)
        try:
            try:
                body = self.open_body()
                response = self.compute(body)
            except Refusal as refusal:
                response = self.endpoint.shape_error(refusal)
            except InputError as error:
                response = self.endpoint.shape_error(Refusal(400, error.message))
            self.close_connection |= bool(body.remaining)
            self.send(response)
            if body.remaining:
                self.drain(body)
        except Disconnect:
            self.close_connection = True
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_ON_CLOSE)
        except BrokenBody:
            self.close_connection = True

    def open_body(self) -> Body:
        """Open the request's body as its headers announce it; raises `Refusal` 400, 411.

        Only Content-Length is spoken, as with GitHub's uploads: chunked requests get 411.
        """
        lengths = set(self.headers.get_all("Content-Length", []))
        sends = self.command in {"POST", "PUT", "PATCH"}
        if self.headers.get("Transfer-Encoding") or (sends and not lengths):
            self.close_connection = True
            raise Refusal(411, "Length Required")
        text = lengths.pop() if lengths else "0"
        if lengths or not (text.isascii() and text.isdigit() and len(text) < 16):
            self.close_connection = True
            raise Refusal(400, "Content-Length is not a number")
        return Body(self.rfile, int(text))

    def compute(self, body: Body) -> Response:
        """Find the answer and compute it; a bug in it becomes a 500 that is remembered."""
        raw_path, _, query = self.path.partition("?")
        answer, parameters, limit = self.endpoint.find_answer(self.command, raw_path)
        if body.length > limit:
            raise Refusal(413, f"the body is larger than {limit} bytes")
        try:
            fields = urllib.parse.parse_qs(
                query, keep_blank_values=True, max_num_fields=MAX_QUERY_FIELDS
            )
        except ValueError as error:
            raise Refusal(400, "the query has too many fields") from error
        request = Request(
            method=self.command,
            path=urllib.parse.unquote(raw_path),
            query={name: values[0] for name, values in fields.items()},
            headers=self.headers,
            body=body,
            parameters=parameters,
            closing=self.endpoint.closing,
        )
        try:
            return answer(request)
        except (Refusal, InputError, Disconnect, BrokenBody):
            raise
        except Exception as fault:  # kept, and raised when the server is left
            self.endpoint.faults.append(fault)
            raise Refusal(500, "Internal Server Error") from fault

    def send(self, response: Response) -> None:
        """Send an answer; its body is closed in every case, and left out for HEAD."""
        body = response.body
        try:
            length = measure(response)
            self.send_head(response, length)
            if self.command != "HEAD" and response.status not in (204, 304):
                self.send_pieces(body, length)
        finally:
            if not isinstance(body, bytes) and hasattr(body, "close"):
                body.close()

    def send_head(self, response: Response, length: int | None) -> None:
        """Send the status line and the headers, with the framing that `length` asks for."""
        names = {name.lower() for name in response.headers}
        self.send_response(response.status)
        for name, text in response.headers.items():
            self.send_header(name, text)
        if response.status in (204, 304) or "content-length" in names:
            pass
        elif length is None:
            self.send_header("Transfer-Encoding", "chunked")
        else:
            self.send_header("Content-Length", str(length))
        if self.close_connection and "connection" not in names:
            self.send_header("Connection", "close")
        self.end_headers()

    def send_pieces(self, body: bytes | BinaryIO | Iterator[bytes], length: int | None) -> None:
        """Send a body, chunked without a length; too few bytes break the connection."""
        sent = 0
        for piece in pieces_of(body):
            sent += len(piece)
            if length is not None:
                self.wfile.write(piece)
            elif piece:  # an empty chunk would be the last
                self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        if length is None:
            self.wfile.write(b"0\r\n\r\n")
        elif sent != length:
            self.close_connection = True

    def drain(self, body: Body) -> None:
        """Read some of an unread body, so that a client still sending gets to see the answer."""
        self.connection.shutdown(socket.SHUT_WR)
        self.connection.settimeout(DRAIN_TIMEOUT_SECONDS)
        drained = 0
        with contextlib.suppress(BrokenBody):
            while body.remaining and drained < MAX_DRAINED_BYTES:
                drained += len(body.read(CHUNK_BYTES))

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:
        """Word what the base class refuses (a malformed request line, headers too long) alike."""
        self.close_connection = True
        text = message or explain or HTTPStatus(code).phrase
        # A request that was not understood has no method, and passes for the oldest version.
        self.command, self.request_version = "GET", self.protocol_version
        self.send(self.endpoint.shape_error(Refusal(code, text)))

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Print nothing: a request may carry a token."""


def measure(response: Response) -> int | None:
    """Return how many bytes the answer's body has, or None where only its end will tell."""
    body = response.body
    if response.length is not None:
        return response.length
    if isinstance(body, bytes):
        return len(body)
    if not hasattr(body, "read"):
        return None
    file = cast("BinaryIO", body)
    position = file.tell()
    length = file.seek(0, os.SEEK_END) - position
    file.seek(position)
    return length


def pieces_of(body: bytes | BinaryIO | Iterator[bytes]) -> Iterator[bytes]:
    """Return the pieces that a body is sent in."""
    if isinstance(body, bytes):
        return iter((body,))
    if hasattr(body, "read"):  # a file, which is an iterator too, of lines
        return iter(partial(body.read, CHUNK_BYTES), b"")
    return body
