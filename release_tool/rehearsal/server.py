"""A small threaded HTTP/1.1 server on 127.0.0.1 that every stand-in of the rehearsal is built on.

It routes, limits and shuts down cleanly; each stand-in gives the answers.

    with LoopbackServer("GitHub", [Route("GET", "/repos/{owner}/{repo}", answer)]) as server:
        ...  # server.url is http://127.0.0.1:PORT

An answer is a function from `Request` to `Response`. It reads the body as a stream, so that a
gibibyte costs no memory, and may raise `Refusal` (an error answer) or `Disconnect` (no answer).
"""

import contextlib
import errno
import re
import socket
import sys
import threading
import urllib.parse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from socketserver import ThreadingTCPServer
from typing import Any, Self

from release_tool.core.errors import UsageError
from release_tool.core.files import reason
from release_tool.rehearsal.connection import Connection
from release_tool.rehearsal.exchange import Answer, Refusal, Response, shape_plainly
from release_tool.rehearsal.outages import Outage

HOST = "127.0.0.1"
MAX_BODY_BYTES = 1024 * 1024
TIMEOUT_SECONDS = 30.0


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


class LoopbackServer(ThreadingTCPServer):
    """A stand-in's server: starts on entering, has no thread and no socket left on leaving.

    `port` 0 takes a free one; a fixed port in use raises `UsageError`. `shape_error` words every
    error answer, also those that the server gives itself (404, 405, 411, 413, 500). More may be
    added to `routes` at any time, and an `outage` may begin. An exception that an answer should not
    have raised becomes a 500, is kept in `faults`, and is raised on leaving, so that a bug of a
    stand-in never goes unseen.
    """

    allow_reuse_address = True
    request_queue_size = 64
    timeout = 1.0  # how long `handle_request` waits for a connection, in seconds

    def __init__(
        self,
        name: str,
        routes: Sequence[Route],
        *,
        port: int = 0,
        shape_error: Callable[[Refusal], Response] = shape_plainly,
        max_body_bytes: int = MAX_BODY_BYTES,
        timeout_seconds: float = TIMEOUT_SECONDS,
    ) -> None:
        self.name = name
        self.routes = list(routes)
        self.shape_error = shape_error
        self.max_body_bytes = max_body_bytes
        self.timeout_seconds = timeout_seconds
        self.closing = threading.Event()
        self.outage: Outage | None = None
        self.faults: list[Exception] = []
        self.open: dict[socket.socket, threading.Thread] = {}
        self.lock = threading.Lock()
        try:
            super().__init__((HOST, port), Connection)
        except OSError as error:
            why = "in use already" if error.errno == errno.EADDRINUSE else reason(error)
            raise UsageError(
                f"the {name} stand-in cannot listen on {HOST} port {port}: {why}",
                hint="choose another port, or 0 for any free one",
            ) from error
        self.port: int = self.server_address[1]
        self.url = f"http://{HOST}:{self.port}"
        self.acceptor = threading.Thread(target=self.accept, name=f"{name} stand-in", daemon=True)

    def __enter__(self) -> Self:
        self.acceptor.start()
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        self.close()
        if self.faults and kind is None:
            raise self.faults[0]

    def close(self) -> None:
        """Stop: no new connection, break the open ones, wait for every thread. Safe to repeat."""
        self.closing.set()
        if self.acceptor.is_alive():
            # A connection ends the wait for one at once; where none can be made, `timeout` does.
            with contextlib.suppress(OSError):
                socket.create_connection((HOST, self.port), timeout=1).close()
            self.acceptor.join()
        self.server_close()
        with self.lock:
            threads = dict(self.open)
        for peer, thread in threads.items():
            with contextlib.suppress(OSError):
                socket.socket.shutdown(peer, socket.SHUT_RDWR)  # not TLS's own, which is no abort
            thread.join()

    def accept(self) -> None:
        """Take connections until the server closes, one thread each."""
        while not self.closing.is_set():
            self.handle_request()

    def process_request(self, request: Any, client_address: Any) -> None:
        """Serve one connection in a thread of its own."""
        thread = threading.Thread(
            target=self.process_request_thread,
            args=(request, client_address),
            name=f"{self.name} connection",
            daemon=True,
        )
        with self.lock:
            self.open[request] = thread
        thread.start()

    def shutdown_request(self, request: Any) -> None:
        """Close a connection; one that is to be reset must not be shut down before."""
        self.close_request(request)
        with self.lock:
            self.open.pop(request, None)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002
        """Keep what a connection failed with, unless it is the peer's concern (`OSError`)."""
        error = sys.exception()
        if isinstance(error, Exception) and not isinstance(error, OSError):
            self.faults.append(error)

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
                answer = self.outage.wrap(route.answer) if self.outage else route.answer
                return answer, parameters, self.max_body_bytes if limit is None else limit
            elsewhere = True
        if elsewhere:
            raise Refusal(405, "Method Not Allowed")
        raise Refusal(404, "Not Found")
