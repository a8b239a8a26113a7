"""A TUF repository of our own on loopback, signed with real keys, that can be spoilt."""

import contextlib
import functools
import ssl
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from securesystemslib.signer import CryptoSigner  # type: ignore[attr-defined]
from tuf.api.metadata import (  # type: ignore[attr-defined]
    Metadata,
    MetaFile,
    Root,
    Snapshot,
    TargetFile,
    Targets,
    Timestamp,
)

from release_tool.sigstore.trust.repository import TufRepository

ROLES = ("root", "targets", "snapshot", "timestamp")


class Keeper(SimpleHTTPRequestHandler):
    """Serves files and keeps quiet."""

    disable_nagle_algorithm = True

    def log_message(self, *_arguments: object) -> None:
        """Say nothing."""


class Published:
    """A repository in a directory, served at `url`; `publish` writes and signs it afresh."""

    def __init__(self, place: Path, url: str):
        self.place, self.url = place, url
        self.signers = {role: CryptoSigner.generate_ed25519() for role in ROLES}
        self.root = b""
        self.targets = {"trusted_root.json": b"{}", "signing_config.v0.2.json": b"{}"}
        self.version = 0

    def publish(self, *, lifetime: timedelta = timedelta(days=1), signed_by: str = "") -> None:
        """Write all metadata; `signed_by` names a role whose key signs the timestamp instead."""
        self.version += 1
        expires = (datetime.now(UTC) + lifetime).replace(microsecond=0)
        targets = Targets(version=self.version, expires=expires)
        for name, content in self.targets.items():
            file = TargetFile.from_data(name, content, ["sha256"])
            targets.targets[name] = file
            self.write(f"targets/{file.hashes['sha256']}.{name}", content)
        meta = {"targets.json": MetaFile(self.version)}
        self.sign(targets, "targets", f"{self.version}.targets.json")
        self.sign(
            Snapshot(version=self.version, expires=expires, meta=meta),
            "snapshot",
            f"{self.version}.snapshot.json",
        )
        timestamp = Timestamp(
            version=self.version, expires=expires, snapshot_meta=MetaFile(self.version)
        )
        self.sign(timestamp, signed_by or "timestamp", "timestamp.json")
        if not self.root:
            root = Root(version=1, expires=datetime.now(UTC) + timedelta(days=9))
            for role, signer in self.signers.items():
                root.add_key(signer.public_key, role)
            self.root = self.sign(root, "root", "1.root.json")

    def sign(self, signed, role: str, name: str) -> bytes:
        metadata = Metadata(signed)
        metadata.sign(self.signers[role])
        content: bytes = metadata.to_bytes()
        self.write(name, content)
        return content

    def write(self, name: str, content: bytes) -> None:
        path = self.place / name
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(content)

    def repository(self, url: str = "", **changed) -> TufRepository:
        return TufRepository("loopback", url or self.url, self.root, **changed)


@contextlib.contextmanager
def serve(place: Path, context: ssl.SSLContext | None = None) -> Iterator[int]:
    """Serve a directory on a port of its own."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Keeper, directory=str(place)))
    if context is not None:
        server.socket = context.wrap_socket(server.socket, server_side=True)
    server.handle_error = lambda *_: None  # type: ignore[method-assign]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def serving():
    return serve


@pytest.fixture
def published(tmp_path: Path) -> Iterator[Published]:
    place = tmp_path / "repository"
    place.mkdir()
    with serve(place) as port:
        made = Published(place, f"http://127.0.0.1:{port}")
        made.publish()
        yield made


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give every test a home of its own, in which nothing is kept yet."""
    place = tmp_path / "home"
    place.mkdir()
    monkeypatch.setenv("HOME", str(place))
    for name in ("XDG_DATA_HOME", "XDG_CACHE_HOME", "HTTP_PROXY", "http_proxy", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)
    return place
