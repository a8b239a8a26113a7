"""A small threaded HTTP/1.1 server on 127.0.0.1 that every stand-in of the rehearsal is built on.

It routes, limits and shuts down cleanly; what a request means is its stand-in's business.

    with LoopbackServer("GitHub", [Route("GET", "/repos/{owner}/{repo}", answer)]) as server:
        ...  # server.url is http://127.0.0.1:PORT

An answer is a function from `Request` to `Response`. It reads the body as a stream, so that a
gibibyte costs no memory, and may raise `Refusal` (an error answer) or `Disconnect` (no answer).
"""

import contextlib
import errno
import re
import socket
import ssl
import threading
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

from release_tool.core.errors import UsageError
from release_tool.core.files import reason
from release_tool.rehearsal import connection
from release_tool.rehearsal.exchange import (
    Answer,
    Body,
    BrokenBody,
    Disconnect,
    Refusal,
    Request,
    Response,
    shape_plainly,
)

__all__ = [
    "Answer",
    "Body",
    "BrokenBody",
    "Disconnect",
    "LoopbackServer",
    "Refusal",
    "Request",
    "Response",
    "Route",
]

HOST = "127.0.0.1"
MAX_BODY_BYTES = 1024 * 1024
TIMEOUT_SECONDS = 30.0
ACCEPT_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Route:
    """A method and a pattern such as `/repos/{owner}/assets/{id}` (one segment each) to an answer.

    `{rest*}` matches across segments. The first route that matches wins; a path that matches
    under another method only is answered with 405. `max_body_bytes` overrides the server's.
    """

    method: str
    pattern: str
    answer: Answer
    max_body_bytes: int | None = None

    def match(self, path: str) -> dict[str, str] | None:
        """Return the named parts of a raw path, percent-decoded, or None where it differs."""
        found = compile_pattern(self.pattern).fullmatch(path)
        if found is None:
            return None
        return {name: urllib.parse.unquote(text) for name, text in found.groupdict().items()}


def compile_pattern(pattern: str) -> re.Pattern[str]:
    """Turn a route's pattern into a regular expression (`re` keeps the compiled ones)."""
    parts = re.split(r"\{(\w+)(\*?)\}", pattern)
    expression = re.escape(parts[0])
    for name, star, literal in zip(parts[1::3], parts[2::3], parts[3::3], strict=True):
        expression += f"(?P<{name}>{'.*' if star else '[^/]+'})" + re.escape(literal)
    return re.compile(expression)


class LoopbackServer:
    """A stand-in's server: starts on entering, is wholly gone (threads, sockets) on leaving.

    `port` 0 takes a free one; a fixed port in use raises `UsageError`. `shape_error` words every
    error answer, also those that the server finds itself (404, 405, 411, 413, 500). With `tls`
    it speaks HTTPS. An exception that an answer should not have raised becomes a 500, is kept in
    `faults`, and is raised on leaving, so that a bug of a stand-in never goes unseen.
    """

    def __init__(
        self,
        name: str,
        routes: Sequence[Route],
        *,
        port: int = 0,
        shape_error: Callable[[Refusal], Response] = shape_plainly,
        max_body_bytes: int = MAX_BODY_BYTES,
        timeout_seconds: float = TIMEOUT_SECONDS,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self.name = name
        self.routes = list(routes)
        self.shape_error = shape_error
        self.max_body_bytes = max_body_bytes
        self.timeout_seconds = timeout_seconds
        self.tls = tls
        self.closing = threading.Event()
        self.faults: list[Exception] = []
        self._open: dict[socket.socket, threading.Thread] = {}
        self._lock = threading.Lock()
        self._listener = open_listener(name, port)
        self._listener.settimeout(ACCEPT_SECONDS)
        self.port: int = self._listener.getsockname()[1]
        self.url = f"{'https' if tls else 'http'}://{HOST}:{self.port}"
        self._acceptor = threading.Thread(target=self._accept, name=f"{name} stand-in", daemon=True)

    def __enter__(self) -> Self:
        self._acceptor.start()
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        self.close()
        if self.faults and kind is None:
            raise self.faults[0]

    def close(self) -> None:
        """Stop: no new connection, break the open ones, wait for every thread. Safe to repeat."""
        self.closing.set()
        if self._acceptor.is_alive():
            # A connection wakes a blocked accept() at once; where none can be made, its own
            # time limit does.
            with contextlib.suppress(OSError):
                socket.create_connection((HOST, self.port), timeout=1).close()
            self._acceptor.join()
        self._listener.close()
        with self._lock:
            threads = dict(self._open)
        for peer, thread in threads.items():
            with contextlib.suppress(OSError):
                socket.socket.shutdown(peer, socket.SHUT_RDWR)  # not TLS's own, which is no abort
            thread.join()

    def _accept(self) -> None:
        """Take connections until the server closes, one thread each."""
        while not self.closing.is_set():
            try:
                peer = self._wrap(self._listener.accept()[0])
            except TimeoutError:
                continue
            except OSError:  # out of descriptors, or aborted by the peer: neither is for ever
                self.closing.wait(0.01)
                continue
            thread = threading.Thread(
                target=self._serve, args=(peer,), name=f"{self.name} connection", daemon=True
            )
            with self._lock:
                self._open[peer] = thread
            thread.start()

    def _wrap(self, peer: socket.socket) -> socket.socket:
        """Put TLS around a connection if it is wanted; its own thread will shake hands."""
        if self.tls is None:
            return peer
        try:
            return self.tls.wrap_socket(peer, server_side=True, do_handshake_on_connect=False)
        except OSError:
            peer.close()
            raise

    def _serve(self, peer: socket.socket) -> None:
        """Serve one connection to its end; its own failures are the peer's concern."""
        try:
            if not self.closing.is_set():
                connection.serve(peer, self)
        except OSError:  # a reset, a timeout, a failed TLS handshake
            pass
        except Exception as fault:  # noqa: BLE001 - raised when the server is left
            self.faults.append(fault)
        finally:
            peer.close()
            with self._lock:
                del self._open[peer]

    def find_answer(self, method: str, path: str) -> tuple[Answer, dict[str, str], int]:
        """Find the answer, the path's named parts and the body's limit; `Refusal` 404 or 405."""
        wanted = "GET" if method == "HEAD" else method
        elsewhere = False
        for route in self.routes:
            parameters = route.match(path)
            if parameters is None:
                continue
            if route.method == wanted:
                limit = route.max_body_bytes
                return route.answer, parameters, self.max_body_bytes if limit is None else limit
            elsewhere = True
        if elsewhere:
            raise Refusal(405, "Method Not Allowed")
        raise Refusal(404, "Not Found")


def open_listener(name: str, port: int) -> socket.socket:
    """Listen on 127.0.0.1 and nowhere else; raises `UsageError` where the port cannot be had."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(64)
    except OSError as error:
        listener.close()
        why = "in use already" if error.errno == errno.EADDRINUSE else reason(error)
        raise UsageError(
            f"the {name} stand-in cannot listen on {HOST} port {port}: {why}",
            hint="choose another port, or 0 for any free one",
        ) from error
    return listener
