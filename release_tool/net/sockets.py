"""Opens connections to addresses that were checked, and ends whatever lasts beyond one deadline.

A client's time-outs count the silence between two bytes, so a server that sends one now and then
is never silent. Here every single read and write gets no more than what is left of the whole time.
Which addresses are wanted, and how long it may all take, is the caller's decision.
"""

import math
import socket
import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

import httpcore
import httpx

from release_tool.net.reach import IPAddress, parse_ip

WRITE_BYTES = 16 * 1024
"""What is written at once: few enough bytes that a peer cannot take them in many small parts."""

Resolve = Callable[[str, int], list[str]]


def resolve_name(host: str, port: int) -> list[str]:
    """Ask the system for a name's addresses, in its order of preference."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Sockets(httpcore.NetworkBackend):
    """The connections of one client, which one thread uses at a time.

    `ends` is a moment of `clock`. `check` is told each address of a host before any is connected
    to, and raises what it likes; no name is looked up again between the two.
    """

    def __init__(
        self, resolve: Resolve = resolve_name, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.resolve = resolve
        self.clock = clock
        self.ends = math.inf
        self.check: Callable[[str, IPAddress], None] = lambda *_: None
        self.plain = httpcore.SyncBackend()

    def allow(self, seconds: float) -> None:
        """Let the time run from now on, instead of what was left of an earlier one."""
        self.ends = self.clock() + seconds

    @contextmanager
    def within(self, seconds: float) -> Iterator[None]:
        """Let what is done in the block take so many seconds, unless `allow` says otherwise."""
        self.allow(seconds)
        try:
            yield
        finally:
            self.ends = math.inf

    def tick(self) -> None:
        """Raise httpx's error of a read that took too long, once the time is over."""
        if self.is_over:
            raise httpx.ReadTimeout("it takes too long")

    @property
    def is_over(self) -> bool:
        """Tell whether the time is over."""
        return self.clock() >= self.ends

    def left(self, timeout: float | None, error: type[Exception]) -> float | None:
        """Give the seconds that one step may take; raises `error` where there are none left."""
        left = self.ends - self.clock()
        if left <= 0:
            raise error("it takes too long")
        return min(left, math.inf if timeout is None else timeout) if left < math.inf else timeout

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        """Resolve a host, have every address checked, connect to the first that answers."""
        failure: Exception = httpcore.ConnectError(f"{host} has no address")
        for address in self.find(host, port):
            left = self.left(timeout, httpcore.ConnectTimeout)
            try:
                stream = self.plain.connect_tcp(address, port, left, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failure = error
            else:
                return Stream(stream, self)
        raise failure

    def find(self, host: str, port: int) -> list[str]:
        """Return a host's addresses, each of them checked."""
        try:
            found = self.resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise httpcore.ConnectError(str(error)) from error
        for address in found:
            parsed = parse_ip(address)
            if parsed is None:
                raise httpcore.ConnectError(f"{host} has an address that is none")
            self.check(host, parsed)
        return found


class TimedSocket(ssl.SSLSocket):
    """A TLS connection that times every part of what is read or written through it.

    Only one to a proxy needs it, within which there is TLS once more: a single read of that may
    take many of this.
    """

    sockets: Sockets | None = None

    def recv(self, buflen: int = 1024, flags: int = 0) -> bytes:
        """Receive what has come."""
        self.hurry()
        return super().recv(buflen, flags)

    def send(self, data: Any, flags: int = 0) -> int:
        """Send a part."""
        self.hurry()
        return super().send(data, flags)

    def hurry(self) -> None:
        """Let the next step take no longer than is left."""
        if self.sockets is not None:
            self.settimeout(self.sockets.left(self.gettimeout(), TimeoutError))


class Stream(httpcore.NetworkStream):
    """One connection, whose every step ends with the time of all."""

    def __init__(self, plain: httpcore.NetworkStream, sockets: Sockets) -> None:
        self.plain = plain
        self.sockets = sockets

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        """Read what has come."""
        return self.plain.read(max_bytes, self.sockets.left(timeout, httpcore.ReadTimeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        """Write it all, in parts that are timed one by one."""
        for start in range(0, len(buffer), WRITE_BYTES):
            left = self.sockets.left(timeout, httpcore.WriteTimeout)
            self.plain.write(buffer[start : start + WRITE_BYTES], left)

    def close(self) -> None:
        """Close the connection."""
        self.plain.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        """Begin TLS; the handshake as a whole has to end in time."""
        left = self.sockets.left(timeout, httpcore.ConnectTimeout)
        ssl_context.sslsocket_class = TimedSocket
        stream = self.plain.start_tls(ssl_context, server_hostname, left)
        connection = stream.get_extra_info("socket")
        if isinstance(connection, TimedSocket):
            connection.sockets = self.sockets
        return Stream(stream, self.sockets)

    def get_extra_info(self, info: str) -> Any:
        """Answer what httpcore asks of a connection."""
        return self.plain.get_extra_info(info)
