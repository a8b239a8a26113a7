"""The rate of a 1 GiB upload and download beside curl's, against one and the same stand-in."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from measure import MIB, Rival, run_once, target

BENCH = Path(__file__).parent
PYTHON = [sys.executable, "-P"]
ROUNDS = 7
SIZE_MIB = 1024
LEAST_SHARE = 0.8


@dataclass(frozen=True)
class Server:
    """A GitHub stand-in in a process of its own."""

    api: str
    token: str
    repo: str

    @property
    def curl(self) -> list[str]:
        return ["curl", "-sS", "-L", "-H", f"Authorization: Bearer {self.token}"]

    def make_draft(self, tag: str) -> str:
        """Make a draft and return the address of its uploads."""
        body = json.dumps({"tag_name": tag, "draft": True})
        command = [*self.curl, "-X", "POST", "-d", body, f"{self.api}/repos/{self.repo}/releases"]
        answer = subprocess.run(command, check=True, capture_output=True)
        address: str = json.loads(answer.stdout)["upload_url"].partition("{")[0]
        return address


@contextmanager
def serve() -> Iterator[Server]:
    """Start the stand-in and stop it at the end."""
    with subprocess.Popen(
        [*PYTHON, str(BENCH / "serve_github.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        yield Server(**json.loads(process.stdout.readline()))
        process.stdin.close()


def bench_transfers(place: Path) -> list[bool]:
    """Transfer in turns with curl and compare the best of seven."""
    large, got = place / "asset.bin", place / "got.bin"
    with large.open("wb") as stream:
        for _ in range(SIZE_MIB):
            stream.write(os.urandom(MIB))
    taken: dict[str, list[float]] = {}
    peaks: list[int] = []

    def note(name: str, command: list[str], *, ours: bool) -> str:
        os.sync()  # no transfer pays for what the one before it wrote
        seconds, *more = run_once(Rival(name, command))[1].split()
        taken.setdefault(name, []).append(float(seconds))
        if ours:
            peaks.append(int(more.pop(0)))
        return " ".join(more)

    with serve() as server:
        transfer = [*PYTHON, str(BENCH / "transfer.py")]
        where = [server.api, server.token, server.repo]
        curl = [*server.curl, "-w", "%{time_total}"]
        octets = ["-H", "Content-Type: application/octet-stream"]
        for number in range(ROUNDS):
            up = [*transfer, "upload", *where, str(large), f"v{number}"]
            url = note("upload, release-tool", up, ours=True)
            address = f"{server.make_draft(f'c{number}')}?name=asset.bin"
            send = [*curl, *octets, "-X", "POST", "-T", str(large), "-o", "/dev/null", address]
            note("upload, curl", send, ours=False)
            down = [*transfer, "download", *where, str(got), url]
            note("download, release-tool", down, ours=True)
            got.unlink()
            take = [*curl, "-H", "Accept: application/octet-stream", "-o", str(got), url]
            note("download, curl", take, ours=False)
            got.unlink()
    best = {name: min(seconds) for name, seconds in taken.items()}
    print(f"\na {SIZE_MIB} MiB asset over loopback (best of {ROUNDS}, in turns)")
    for name, seconds in best.items():
        print(f"  {name:<52} {seconds:8.3f} s  {SIZE_MIB / seconds:8.0f} MiB/s")
    return [
        *(
            target(
                f"{way}, curl's rate / ours",
                best[f"{way}, release-tool"] / best[f"{way}, curl"],
                1 / LEAST_SHARE,
            )
            for way in ("upload", "download")
        ),
        target("memory in MiB", max(peaks) / MIB, 100),
    ]
