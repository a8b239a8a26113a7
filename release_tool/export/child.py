"""Runs the worker: a scrubbed environment, a private directory, a time limit, no way to linger.

It knows how to run it and not what it does.
"""

import contextlib
import ctypes
import importlib.util
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from release_tool.core.documents import parse_json_object
from release_tool.core.errors import GateError, UsageError
from release_tool.core.files import read_limited
from release_tool.core.progress import Advance
from release_tool.export.job import REPORT

NEEDED = ("torch", "onnx", "onnxruntime", "numpy")
PASSED_NAMES = frozenset(
    {"PATH", "LANG", "LC_ALL", "LC_CTYPE", "PYTHONPATH", "VIRTUAL_ENV", "LD_LIBRARY_PATH"}
)
PASSED_PREFIXES = ("OMP_", "MKL_", "OPENBLAS_", "ONEDNN_", "ATEN_CPU_", "COVERAGE_")
SECRET = re.compile(r"TOKEN|SECRET|PASSW|CREDENTIAL|(^|_)KEY|ACTIONS_", re.IGNORECASE)
LOG = "log.txt"
LOG_TAIL_BYTES = 4096
MAX_REPORT_BYTES = 1024 * 1024
TIMEOUT_SECONDS = 900
FULL_TIMEOUT_SECONDS = 3600
POLL_SECONDS = 1.0
PR_SET_DUMPABLE = 4


def check_installed(needed: tuple[str, ...]) -> None:
    """Check that this system and its packages can export; raises `UsageError`."""
    if not hasattr(os, "killpg"):
        raise UsageError(
            "an export runs on Linux and macOS, not on this system",
            hint="to verify, fetch, check and inspect a model works here",
        )
    missing = [name for name in needed if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"an export needs {', '.join(missing)}, which this installation lacks",
            hint="in a checkout of this tool: pip install '.[export]'",
        )


def hide_environment() -> None:
    """Keep the worker from reading this process's environment out of /proc (Linux, prctl(2)).

    Upstream's code must not find there what its own environment was cleaned of. It does not bind
    a worker that runs as root; the release workflow's export job holds no token at all.
    """
    if sys.platform == "linux":
        with contextlib.suppress(OSError):
            ctypes.CDLL(None).prctl(PR_SET_DUMPABLE, 0, 0, 0, 0)


def child_environment(environment: Mapping[str, str], directory: Path) -> dict[str, str]:
    """Return what the worker may know: the locale, thread counts, coverage; never a secret."""
    passed = {
        name: value
        for name, value in environment.items()
        if (name in PASSED_NAMES or name.startswith(PASSED_PREFIXES)) and not SECRET.search(name)
    }
    if "PYTHONPATH" in passed:  # relative entries mean another directory in the worker's own
        entries = passed["PYTHONPATH"].split(os.pathsep)
        passed["PYTHONPATH"] = os.pathsep.join(str(Path(e).absolute()) for e in entries if e)
    return passed | {
        "TMPDIR": str(directory),
        "PYTHONHASHSEED": "0",
        "PYTHONDONTWRITEBYTECODE": "1",
    }


def run_worker(
    directory: Path, environment: Mapping[str, str], timeout_seconds: float, advance: Advance
) -> dict[str, Any]:
    """Run the worker in `directory` and return its report; raises `GateError` if it gives none.

    Whatever ends this function, the worker and its children are gone afterwards.
    """
    hide_environment()
    reader, writer = os.pipe()
    try:
        with (directory / LOG).open("wb") as log:
            worker = subprocess.Popen(
                [sys.executable, "-P", "-m", "release_tool.export.worker", str(directory),
                 str(writer)],
                cwd=directory,
                env=child_environment(environment, directory),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=(writer,),
                start_new_session=True,
            )  # fmt: skip
        os.close(writer)
        writer = -1
        try:
            follow(reader, time.monotonic() + timeout_seconds, advance)
            code = worker.wait(timeout=60)
        except subprocess.TimeoutExpired as error:
            raise GateError("the export's worker does not end") from error
        finally:
            stop(worker)
    finally:
        os.close(reader)
        if writer >= 0:
            os.close(writer)
    return read_report(directory, code)


def follow(reader: int, deadline: float, advance: Advance) -> None:
    """Pass on the worker's steps until it closes its end; raises `GateError` after the deadline."""
    while True:
        if time.monotonic() > deadline:
            raise GateError(
                "the export took too long and was stopped", hint="are other programs busy here?"
            )
        if select.select([reader], [], [], POLL_SECONDS)[0]:
            steps = os.read(reader, 64)
            if not steps:
                return
            advance(len(steps))


def stop(worker: subprocess.Popen[bytes]) -> None:
    """End the worker's whole process group and reap it."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(worker.pid, signal.SIGKILL)
    worker.wait()
    if worker.stdin:
        worker.stdin.close()


def read_report(directory: Path, code: int) -> dict[str, Any]:
    """Read the worker's report, or say how it ended and what it said last."""
    path = directory / REPORT
    if code != 0 or not path.exists():
        said = last_line(directory / LOG)
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise GateError(f"the export's worker ended with {how}: {said}")
    return parse_json_object(read_limited(path, MAX_REPORT_BYTES), "the worker's report")


def last_line(path: Path) -> str:
    """Return the last line of the worker's log, cut to a length that fits into one line."""
    with path.open("rb") as stream:
        stream.seek(max(0, stream.seek(0, 2) - LOG_TAIL_BYTES))
        lines = stream.read().decode(errors="replace").strip().splitlines()
    text = lines[-1] if lines else "it said nothing"
    return "".join(letter if letter.isprintable() else "?" for letter in text)[:300]
