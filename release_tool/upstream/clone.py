"""Fetches the one commit that a recipe pins with git, and nothing else of a repository.

Whether what came is the audited project is for `checkout` to say.
"""

import os
import re
import selectors
import signal
import subprocess
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from release_tool.core.errors import InputError, TryAgain
from release_tool.core.files import writable
from release_tool.core.names import CommitId
from release_tool.core.programs import find_git
from release_tool.core.progress import SILENT, Advance, Progress
from release_tool.upstream.git import git_environment
from release_tool.upstream.refusals import explain_refusal

DEADLINE_SECONDS = 1800.0
SILENCE_SECONDS = 120.0
"""How long git may say nothing; while it receives, it says every second how far it is."""
LIMIT_BYTES = 1024 * 1024 * 1024
"""For any one file that git writes: the pack that is received, and each file of the checkout."""
BLOCK_BYTES = 512
LIMITED = """trap '' 25; ulimit -f "$0" 2>/dev/null; exec "$@\""""
"""Sets the limit, in blocks (POSIX), unless there is a lower one; to write more then fails instead
of ending git with SIGXFSZ, which is 25, without a word."""
MAX_SAID_BYTES = 16 * 1024
LOOPBACK = frozenset({"127.0.0.1", "::1", "localhost"})
PERCENT = re.compile(rb"Receiving objects: +(\d{1,3})%")
PROXIES = ("http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy",
           "NO_PROXY")  # fmt: skip
# Passed to every call, beside an environment without any configuration file.
SETTINGS = (
    "core.hooksPath=/dev/null",
    "core.attributesFile=/dev/null",
    "core.fsmonitor=false",
    "core.autocrlf=false",
    "core.eol=lf",
    "credential.helper=",
    "protocol.allow=never",
    "submodule.recurse=false",
    "fetch.recurseSubmodules=false",
    "fetch.fsckObjects=true",
    "fetch.unpackLimit=1",  # one pack, so that its size can be limited
    "http.followRedirects=false",
    "http.lowSpeedLimit=1000",
    "http.lowSpeedTime=30",
    "gc.auto=0",
    "maintenance.auto=false",
)


@dataclass(frozen=True, slots=True)
class Address:
    """Where a repository is; `local` where that is on this machine."""

    text: str
    scheme: str
    local: bool

    @classmethod
    def parse(cls, text: str) -> "Address":
        """Read an https address, or an http or file one of this machine; raises `InputError`."""
        try:
            parts = urlsplit(text)
            host = parts.hostname or ""
        except ValueError:
            parts, host = urlsplit(""), ""
        local = host in LOOPBACK or (parts.scheme == "file" and not host)
        allowed = {"https", "http", "file"} if local else {"https"}
        readable = text.isascii() and text.isprintable() and " " not in text
        if not readable or parts.scheme not in allowed or not (host or local):
            raise InputError(f"not an https address of a repository: {text[:120]!r}")
        if parts.username is not None or parts.password is not None:
            raise InputError("the repository's address holds a user name or a password")
        return cls(text, parts.scheme, local)


def clone_commit(
    repo: str,
    commit: CommitId,
    into: Path,
    environment: Mapping[str, str],
    *,
    deadline_seconds: float = DEADLINE_SECONDS,
    silence_seconds: float = SILENCE_SECONDS,
    limit_bytes: int = LIMIT_BYTES,
    progress: Progress = SILENT,
) -> None:
    """Make `into` a repository whose checkout is one commit, fetched without its history.

    1. Nothing of the user's configuration counts: no hook, filter, credential or prompt.
    2. The protocol is https; no redirect is followed, since git would follow it anywhere.
    3. What is received is checked by git object by object; the commit's id covers it all.

    Raises `InputError` for a repository that has no such commit and for what cannot be written,
    `TryAgain` for a network or a server that fails or is too slow.
    """
    address = Address.parse(repo)
    run = GitRun(address, into, environment, time.monotonic() + deadline_seconds, silence_seconds)
    with writable(into):
        into.mkdir()
    run.git(["init", "--quiet", "--template=", "--object-format=sha1", "."], limit_bytes)
    with progress.bar("checkout", 100) as advance:
        run.git(
            ["fetch", "--progress", "--depth=1", "--no-tags", "--no-recurse-submodules",
             "--no-write-fetch-head", "--end-of-options", address.text, commit.hex],
            limit_bytes,
            Percent(advance),
        )  # fmt: skip
    run.git(["checkout", "--quiet", "--detach", "--force", commit.hex, "--"], limit_bytes)


@dataclass(slots=True)
class Percent:
    """Follows what git says of its progress."""

    advance: Advance
    shown: int = 0

    def read(self, chunk: bytes) -> None:
        """Advance to the last percentage in a piece of git's output."""
        found = PERCENT.findall(chunk)
        if found and int(found[-1]) > self.shown:
            self.advance(min(int(found[-1]), 100) - self.shown)
            self.shown = int(found[-1])


@dataclass(frozen=True, slots=True)
class GitRun:
    """Runs git on one new repository, within limits of time and size."""

    address: Address
    directory: Path
    environment: Mapping[str, str]
    deadline: float
    silence_seconds: float

    def git(self, arguments: list[str], limit_bytes: int, percent: Percent | None = None) -> None:
        """Run git to its end, or end it and everything that it started; raises on failure."""
        settings = (*SETTINGS, f"protocol.{self.address.scheme}.allow=always")
        options = [part for setting in settings for part in ("-c", setting)]
        limited = ["/bin/sh", "-c", LIMITED, str(limit_bytes // BLOCK_BYTES)]
        command = [*limited, find_git(self.environment), "--no-pager", *options, *arguments]
        with (
            writable(self.directory),
            subprocess.Popen(
                command,
                cwd=self.directory,
                env=git_environment() | network_variables(self.address, self.environment),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                start_new_session=True,
            ) as process,
        ):
            try:
                said = self.listen(process, percent)
                process.wait(timeout=self.silence_seconds)
            except BaseException as error:
                end_group(process)
                if isinstance(error, subprocess.TimeoutExpired):
                    raise TryAgain(
                        f"git does not end after fetching {self.address.text}"
                    ) from error
                raise
        if process.returncode:
            raise explain_refusal(said, self.address.text)

    def listen(self, process: subprocess.Popen[bytes], percent: Percent | None) -> bytes:
        """Return the last of what git says, once it has said it all; raises `TryAgain`."""
        assert process.stderr is not None  # noqa: S101  (it was asked for)
        said = b""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stderr, selectors.EVENT_READ)
            while True:
                left = min(self.deadline - time.monotonic(), self.silence_seconds)
                if left <= 0 or not selector.select(left):
                    raise TryAgain(f"{self.address.text} is too slow to be fetched by git")
                chunk = os.read(process.stderr.fileno(), 65536)
                if not chunk:
                    return said
                said = (said + chunk)[-MAX_SAID_BYTES:]
                if percent is not None:
                    percent.read(chunk)


def network_variables(address: Address, environment: Mapping[str, str]) -> dict[str, str]:
    """Return what git is told of the network: proxies and authorities, and neither for loopback."""
    if address.local and address.scheme != "https":
        return {}
    names = {"SSL_CERT_FILE": "GIT_SSL_CAINFO", "SSL_CERT_DIR": "GIT_SSL_CAPATH"}
    if not address.local:
        names |= {name: name for name in PROXIES}
    return {there: environment[here] for here, there in names.items() if environment.get(here)}


def end_group(process: subprocess.Popen[bytes]) -> None:
    """End git and what it started, which are a session of their own, and collect it."""
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
