"""What a run of the network takes and what there is, so that no size is tried that cannot fit."""

import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

STATUS = Path("/proc/self/status")
PEAK = Path("/proc/self/clear_refs")
MEMORY = Path("/proc/meminfo")
CGROUP = Path("/sys/fs/cgroup")
RESET_PEAK = "5"
"""proc_pid_clear_refs(5): sets the process's peak back to what it takes now."""

SPARE = 1.25
"""Larger pictures take a little more for each pixel."""


@dataclass(slots=True)
class Cost:
    """Seconds and bytes of one run; 0 bytes where the system does not tell."""

    seconds: float = 0.0
    memory_bytes: int = 0


@contextmanager
def measured() -> Iterator[Cost]:
    """Yield a cost that is known once the block ends: wall time, and the memory's peak (Linux)."""
    cost = Cost()
    with suppress(OSError):
        PEAK.write_text(RESET_PEAK)
    before, start = read_kilobytes(STATUS, "VmRSS"), time.perf_counter()
    yield cost
    cost.seconds = time.perf_counter() - start
    cost.memory_bytes = max(0, read_kilobytes(STATUS, "VmHWM") - before)


def available_memory() -> int | None:
    """Return the bytes that this process may still take, or None where the system does not tell."""
    free = read_kilobytes(MEMORY, "MemAvailable")
    limits = [free] if free else []
    with suppress(OSError, ValueError):
        most = int((CGROUP / "memory.max").read_text())
        limits.append(most - int((CGROUP / "memory.current").read_text()))
    return min(limits) if limits else None


def read_kilobytes(file: Path, name: str) -> int:
    """Return a line of one of the kernel's tables, in bytes; 0 where there is none."""
    with suppress(OSError):
        for line in file.read_text().splitlines():
            if line.startswith(f"{name}:"):
                return int(line.split()[1]) * 1024
    return 0


def fits(per_pixel: float, pixels: int, available: int | None) -> bool:
    """Tell whether a run of so many pixels fits, by what a pixel of a smaller run took."""
    return available is None or per_pixel * pixels * SPARE <= available
