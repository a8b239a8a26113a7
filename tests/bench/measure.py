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


def run_once(rival: Rival) -> tuple[float, str]:
    """Run a command once; return its seconds and what it printed."""
    start = time.perf_counter()
    process = start_process(rival)
    said, errors = process.communicate()
    elapsed = time.perf_counter() - start
    if process.returncode:
        sys.exit(f"{rival.name} failed with {process.returncode}: {errors.decode()[-2000:]}")
    return elapsed, said.decode()


def weigh_once(rival: Rival) -> int:
    """Run a command once and return the peak memory of all it starts, sampled.

    Sampling takes time of its own, so that no other figure comes from this run.
    """
    process = start_process(rival)
    peak, done = 0, threading.Event()

    def watch() -> None:
        nonlocal peak
        while not done.is_set():
            peak = max(peak, resident(process.pid))
            done.wait(SAMPLE_SECONDS)

    watcher = threading.Thread(target=watch)
    watcher.start()
    process.communicate()
    done.set()
    watcher.join()
    return peak


def start_process(rival: Rival) -> subprocess.Popen[bytes]:
    """Start a command in its environment, its output captured."""
    return subprocess.Popen(
        list(rival.command),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, **(rival.environment or {})},
    )


def compare(title: str, rivals: Sequence[Rival], rounds: int) -> dict[str, Measured]:
    """Run rivals in turns, so that a busy moment strikes all of them, and print a table."""
    peaks = {rival.name: weigh_once(rival) for rival in rivals}
    samples: dict[str, list[float]] = {rival.name: [] for rival in rivals}
    for _ in range(rounds):
        for rival in rivals:
            samples[rival.name].append(run_once(rival)[0])
    measured = {
        name: Measured(name, statistics.median(seconds), peaks[name])
        for name, seconds in samples.items()
    }
    print(f"\n{title} (median of {rounds}, in turns)")
    for item in measured.values():
        print(f"  {item.name:<52} {item.seconds:8.3f} s  {item.peak_bytes / MIB:8.0f} MiB")
    return measured


def ratio(measured: dict[str, Measured], ours: str, theirs: str, at_most: float) -> bool:
    """Print how one compares with another, and whether that meets the target."""
    return target(f"{ours} / {theirs}", quotient(measured, ours, theirs), at_most)


def quotient(measured: dict[str, Measured], ours: str, theirs: str) -> float:
    """Divide the seconds of one by those of another."""
    return measured[ours].seconds / measured[theirs].seconds


def target(what: str, value: float, at_most: float) -> bool:
    """Print a value beside its target."""
    met = value <= at_most
    print(f"  {'met   ' if met else 'MISSED'} {what}: {value:.2f}, target at most {at_most:.2f}")
    return met
