"""What ctrl-C and a request to terminate do while there is nothing yet to tidy up.

Imports nothing that takes time: it must be in place before anything else is imported.
"""

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager

SIGNALS = tuple(
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)
)
"""Being told to stop, and a terminal that goes away, are interruptions like ctrl-C.

Windows has no SIGHUP."""
EXIT_CODE = 130
DOCUMENT = (
    b'{\n  "error": {\n    "exit_code": 130,\n    "message": "interrupted",\n'
    b'    "hint": "run the same command again"\n  }\n}\n'
)


def asks_for_json(arguments: list[str]) -> bool:
    """Tell whether a command line that nobody has parsed has `--json` among its options."""
    options = arguments[: arguments.index("--")] if "--" in arguments else arguments
    return "--json" in options


def quit_at_once(*_: object) -> None:
    """Say so and end the process here and now, whatever it is importing.

    An exception would have to find its way out of other people's modules, and some of them swallow
    it or make another one of it.
    """
    try:
        if asks_for_json(sys.argv[1:]):
            os.write(1, DOCUMENT)
        os.write(2, b"error: interrupted\n")
    finally:
        os._exit(EXIT_CODE)


def on_signals(action: signal.Handlers | object) -> None:
    """Set what the signals do, except those that whoever started us wants ignored (nohup)."""
    for told in SIGNALS:
        if signal.getsignal(told) is not signal.SIG_IGN:
            signal.signal(told, action)  # type: ignore[arg-type]


@contextmanager
def quitting_at_once() -> Iterator[None]:
    """End at once for a signal that comes during the block, which only imports."""
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield
        return
    on_signals(quit_at_once)
    try:
        yield
    finally:
        on_signals(signal.default_int_handler)
