"""Ends an HTTP exchange that takes too long as a whole, however busy the other side looks.

A client's time-outs count the silence between two bytes, so a server that sends one now and then
is never silent. What to say about it, and whether to try again, is the caller's decision.
"""

import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from threading import Lock, Timer
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

OPENED = (".connect_tcp.complete", ".start_tls.complete")
CONNECTIONS: WeakKeyDictionary[object, WeakSet[socket.socket]] = WeakKeyDictionary()
"""Client -> its connections, since one that is kept alive was opened under an earlier watch."""


class Watchdog:
    """Watches what one client waits for; the client is used by one thread at a time.

    Pass `trace` as the request's extension of that name (httpcore tells it of connections).
    """

    def __init__(self, client: object) -> None:
        self.connections = CONNECTIONS.setdefault(client, WeakSet())
        self.lock = Lock()
        self.timer: Timer | None = None
        self.barked = False

    def trace(self, event: str, details: Mapping[str, Any]) -> None:
        """Remember a connection that was opened; end it at once where the time is over."""
        if not event.endswith(OPENED):
            return
        connection = details["return_value"].get_extra_info("socket")
        with self.lock:
            self.connections.add(connection)
            if self.barked:
                end(connection)

    def start(self, seconds: float) -> None:
        """Let the time run from now on, instead of what was left of an earlier one."""
        self.stop()
        self.timer = Timer(max(seconds, 0.0), self.bark)
        self.timer.daemon = True
        self.timer.start()

    def stop(self) -> None:
        """Watch no more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def bark(self) -> None:
        """End every connection of the client: a thread that reads from one wakes up."""
        with self.lock:
            self.barked = True
            for connection in list(self.connections):
                end(connection)


@contextmanager
def open_watch(client: object, seconds: float) -> Iterator[Watchdog]:
    """Yield a watchdog whose time runs already, and stop it at the end."""
    watchdog = Watchdog(client)
    watchdog.start(seconds)
    try:
        yield watchdog
    finally:
        watchdog.stop()


def end(connection: socket.socket) -> None:
    """Shut a connection down without a word of TLS, whose state belongs to the other thread."""
    with suppress(OSError):
        socket.socket.shutdown(connection, socket.SHUT_RDWR)
