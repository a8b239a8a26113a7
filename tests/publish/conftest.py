"""A stand-in, clients that never sleep, and files to publish; every exchange is validated."""

import contextlib
import runpy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from release_tool.core.names import RepoSlug, Tag
from release_tool.publish.github import open_github
from release_tool.publish.transaction import publish_release
from release_tool.rehearsal.github import start_github

CHECKER = Path(__file__).parent.parent / "openapi" / "checker.py"
MANIFEST = "tiny.manifest.json"
TOKEN = "ghp_averysecrettokenthatnobodymaysee0123"


CHECKING = SimpleNamespace(**runpy.run_path(str(CHECKER)))


class Notes:
    """A listener that keeps what it was told."""

    def __init__(self):
        self.lines = []
        self.bars = {}

    def stage(self, name):
        self.lines.append(name)
        return contextlib.nullcontext()

    def note(self, text):
        self.lines.append(text)

    @contextlib.contextmanager
    def bar(self, name, total):
        self.bars.setdefault(name, []).append(0)

        def advance(count):
            self.bars[name][-1] += count

        yield advance

    @property
    def text(self):
        return "\n".join(self.lines)


class World:
    """A stand-in and what a test does with it."""

    def __init__(self, stand_in, checker, stack):
        self.stand_in = stand_in
        self.state = stand_in.state
        self.checker = checker
        self.stack = stack
        self.notes = Notes()
        self.recorders = []
        self.naps = []
        self.repo = RepoSlug.parse(stand_in.repo)
        self.tag = Tag.parse("tiny-v1")

    def connect(self, token=TOKEN, refuse=None, api=None, **changed):
        recorder = CHECKING.Recorder()
        recorder.refuse = refuse or recorder.refuse
        self.recorders.append(recorder)
        client = self.stack.enter_context(httpx.Client(transport=recorder))
        options: dict[str, Any] = {
            "silence_seconds": 30.0,
            "sleep": self.naps.append,
            "progress": self.notes,
        } | changed
        github = open_github(api or self.stand_in.api, token, client=client, **options)
        return self.stack.enter_context(github)

    def publish(self, files, github=None, **changed):
        options: dict[str, Any] = {
            "target": "main",
            "title": "Tiny",
            "body": "A tiny model",
            "manifest_name": MANIFEST,
            "progress": self.notes,
        } | changed
        github = github or self.connect()
        return publish_release(github, self.repo, self.tag, files, **options)

    def kinds(self):
        return [str(entry.kind) for entry in self.stand_in.requests]

    def validate(self):
        for recorder in self.recorders:
            for request, body, response in recorder.exchanges:
                self.checker.check(request, body, response)

    def visible(self):
        """What anybody sees of the tag: None, or asset name -> bytes."""
        with httpx.Client(trust_env=False, verify=False) as anybody:  # noqa: S501 - no TLS here
            root = f"{self.stand_in.api}/repos/{self.repo}/releases"
            listed = [item for item in anybody.get(root).json() if not item["draft"]]
            found = anybody.get(f"{root}/tags/{self.tag}")
            if found.status_code == 404:
                assert not listed
                return None
            assert [item["id"] for item in listed] == [found.json()["id"]]
            assets = found.json()["assets"]
            assert all(asset["state"] == "uploaded" for asset in assets)
            urls = {asset["name"]: asset["browser_download_url"] for asset in assets}
            return {
                name: anybody.get(url, follow_redirects=True).content for name, url in urls.items()
            }


@pytest.fixture(scope="session")
def checker():
    return CHECKING.Checker()


@pytest.fixture
def files(tmp_path):
    """Three files to publish; the model is larger than one chunk."""
    made = {
        "tiny.onnx": b"model" * 70_000,
        MANIFEST: b'{"schema": "tiny"}\n',
        "tiny.onnx.sigstore.json": b'{"bundle": 1}\n',
    }
    place = tmp_path / "dist"
    place.mkdir()
    for name, content in made.items():
        (place / name).write_bytes(content)
    return {name: place / name for name in made}


@pytest.fixture
def make_world(checker, tmp_path):
    """Start stand-ins; at the end every exchange that was not spoiled on cue is validated."""
    with contextlib.ExitStack() as stack:
        worlds = []

        def make(**options):
            options = {"repo": "rehearsal/tiny", "token": TOKEN} | options
            made = World(stack.enter_context(start_github(**options)), checker, stack)
            worlds.append(made)
            return made

        yield make
        for made in worlds:
            made.validate()


@pytest.fixture
def world(make_world):
    return make_world()
