"""Ends an HTTP exchange that takes too long as a whole, however busy the other side looks.

A client's time-outs count the silence between two bytes, so a server that sends one now and then
is never silent. What to say about it, and whether to try again, is the caller's decision.
"""

import heapq
import os
import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from threading import Condition, Lock, Thread
from typing import Any
from weakref import WeakKeyDictionary, WeakSet

OPENED = (".connect_tcp.complete", ".start_tls.complete")
CONNECTIONS: WeakKeyDictionary[object, WeakSet[socket.socket]] = WeakKeyDictionary()
"""Client -> its connections, since one that is kept alive was opened under an earlier watch."""


@dataclass(order=True, slots=True)
class Alarm:
    """What is called once the monotonic clock shows `moment`; nothing, once it is cancelled."""

    moment: float
    call: Callable[[], None] | None = field(compare=False)

    def cancel(self) -> None:
        """Let nothing be called; the alarm's own time is not waited for."""
        self.call = None


class AlarmClock:
    """One thread for the alarms of the whole process; a thread for each would cost a request dear.

    A cancelled alarm stays in the heap until its time; it holds nothing by then.
    """

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        """Begin anew, as a forked process has to: the thread is not there."""
        self.condition = Condition()
        self.alarms: list[Alarm] = []
        self.thread: Thread | None = None

    def set(self, seconds: float, call: Callable[[], None]) -> Alarm:
        """Have something called in so many seconds, on a thread of its own."""
        alarm = Alarm(time.monotonic() + max(seconds, 0.0), call)
        with self.condition:
            heapq.heappush(self.alarms, alarm)
            if self.thread is None:
                self.thread = Thread(target=self.run, name="alarm clock", daemon=True)
                self.thread.start()
            elif self.alarms[0] is alarm:
                self.condition.notify()
        return alarm

    def run(self) -> None:
        """Call what is due, for ever."""
        while True:
            due = self.wait().call
            if due is not None:
                due()

    def wait(self) -> Alarm:
        """Wait for the next alarm that is due."""
        with self.condition:
            while True:
                while self.alarms and self.alarms[0].call is None:
                    heapq.heappop(self.alarms)
                left = self.alarms[0].moment - time.monotonic() if self.alarms else None
                if left is not None and left <= 0:
                    return heapq.heappop(self.alarms)
                self.condition.wait(left)


CLOCK = AlarmClock()
os.register_at_fork(after_in_child=CLOCK.forget)


class Watchdog:
    """Watches what one client waits for; the client is used by one thread at a time.

    Pass `trace` as the request's extension of that name (httpcore tells it of connections).
    """

    def __init__(self, client: object) -> None:
        self.connections = CONNECTIONS.setdefault(client, WeakSet())
        self.lock = Lock()
        self.alarm: Alarm | None = None
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
        self.alarm = CLOCK.set(seconds, self.bark)

    def stop(self) -> None:
        """Watch no more."""
        if self.alarm is not None:
            self.alarm.cancel()
            self.alarm = None

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
