"""A web server with git repositories, by git's own CGI program, that can be slow or broken."""

import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

GIT = shutil.which("git") or "git"


@dataclass
class GitServer:
    """Where the repositories are, what was asked, and what is answered instead of them."""

    root: Path
    url: str = ""
    asked: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    status: int | None = None
    """Answer every request with this status."""
    location: str = ""
    cut_after: int | None = None
    """End the connection after so many bytes of a pack."""
    stalls: bool = False
    """Answer nothing; say in `stalled` that somebody waits, in `left` that they went away."""
    stalled: threading.Event = field(default_factory=threading.Event)
    left: threading.Event = field(default_factory=threading.Event)

    def address(self, checkout: Path) -> str:
        """Give the address of a checkout below the root."""
        return f"{self.url}/{checkout.relative_to(self.root)}/.git"


class Handler(BaseHTTPRequestHandler):
    """Passes requests on to `git http-backend`."""

    protocol_version = "HTTP/1.0"
    world: GitServer

    def do_GET(self) -> None:
        self.answer(b"")

    def do_POST(self) -> None:
        self.answer(self.rfile.read(int(self.headers.get("Content-Length", 0))))

    def answer(self, body: bytes) -> None:
        world = self.world
        world.asked.append(self.path)
        world.headers.append({name.lower(): text for name, text in self.headers.items()})
        if world.stalls:
            world.stalled.set()
            if self.rfile.read(1) == b"":
                world.left.set()
            return
        if world.status is not None:
            self.send_response(world.status)
            if world.location:
                self.send_header("Location", world.location)
            self.end_headers()
            return
        head, _, content = self.ask_git(body).partition(b"\r\n\r\n")
        lines = head.decode().splitlines()
        status = next((line for line in lines if line.startswith("Status:")), "Status: 200")
        self.send_response(int(status.split()[1]))
        for line in lines:
            if not line.startswith("Status:"):
                self.send_header(*line.split(": ", 1))
        self.end_headers()
        cut = world.cut_after if self.command == "POST" else None
        self.wfile.write(content[:cut])

    def ask_git(self, body: bytes) -> bytes:
        parts = urlsplit(self.path)
        environment = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.world.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": os.devnull,
            "PATH_INFO": parts.path,
            "QUERY_STRING": parts.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "CONTENT_LENGTH": str(len(body)),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(
            [GIT, "http-backend"], input=body, env=environment, capture_output=True, check=False
        )
        return done.stdout

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serve_git(root: Path) -> Iterator[GitServer]:
    """Serve the repositories below `root` on loopback."""
    world = GitServer(root)
    handler = type("Bound", (Handler,), {"world": world})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        world.url = f"http://127.0.0.1:{server.server_address[1]}"
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        try:
            yield world
        finally:
            server.shutdown()
            thread.join()
