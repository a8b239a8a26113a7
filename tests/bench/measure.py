"""Runs commands side by side and measures wall time and the peak memory of their process trees."""

import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

SAMPLE_SECONDS = 0.01
MIB = 1024 * 1024
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True)
class Rival:
    """A command with a name."""

    name: str
    command: Sequence[str]
    environment: dict[str, str] | None = None


@dataclass(frozen=True)
class Measured:
    """The median wall time in seconds and the largest peak memory in bytes."""

    name: str
    seconds: float
    peak_bytes: int


def resident(root: int) -> int:
    """Sum the resident memory of a process and all its descendants."""
    parents: dict[int, int] = {}
    sizes: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            pid, facts = int(entry.name), (entry / "stat").read_text().rpartition(")")[2]
            parents[pid] = int(facts.split()[1])
            sizes[pid] = int((entry / "statm").read_text().split()[1]) * PAGE
        except (OSError, ValueError, IndexError):
            continue

    def descends(pid: int) -> bool:
        while pid not in (0, root):
            pid = parents.get(pid, 0)
        return pid == root

    return sum(size for pid, size in sizes.items() if descends(pid))


def run_once(rival: Rival) -> tuple[float, int, str]:
    """Run a command once; return its seconds, the peak of all it starts, and what it printed."""
    start = time.perf_counter()
    process = subprocess.Popen(
        list(rival.command),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(rival.environment or {})},
    )
    peak, done = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.is_set():
            peak = max(peak, resident(process.pid))
            done.wait(SAMPLE_SECONDS)

    watcher = threading.Thread(target=watch)
    watcher.start()
    said, errors = process.communicate()
    elapsed = time.perf_counter() - start
    done.set()
    watcher.join()
    if process.returncode:
        sys.exit(f"{rival.name} failed with {process.returncode}: {errors.decode()[-2000:]}")
    return elapsed, peak, said.decode()


def compare(title: str, rivals: Sequence[Rival], rounds: int) -> dict[str, Measured]:
    """Run rivals in turns, so that a busy moment strikes all of them, and print a table."""
    samples: dict[str, list[tuple[float, int]]] = {rival.name: [] for rival in rivals}
    for rival in rivals:
        run_once(rival)
    for _ in range(rounds):
        for rival in rivals:
            samples[rival.name].append(run_once(rival)[:2])
    measured = {
        name: Measured(
            name,
            statistics.median(seconds for seconds, _ in taken),
            max(peak for _, peak in taken),
        )
        for name, taken in samples.items()
    }
    print(f"\n{title} (median of {rounds}, in turns)")
    for item in measured.values():
        print(f"  {item.name:<52} {item.seconds:8.3f} s  {item.peak_bytes / MIB:8.0f} MiB")
    return measured


def ratio(measured: dict[str, Measured], ours: str, theirs: str, at_most: float) -> bool:
    """Print how one compares with another, and whether that meets the target."""
    value = measured[ours].seconds / measured[theirs].seconds
    return target(f"{ours} / {theirs}", value, at_most)


def target(what: str, value: float, at_most: float) -> bool:
    """Print a value beside its target."""
    met = value <= at_most
    print(f"  {'met   ' if met else 'MISSED'} {what}: {value:.2f}, target at most {at_most:.2f}")
    return met
