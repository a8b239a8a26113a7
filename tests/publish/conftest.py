"""A stand-in, clients that never sleep, and things to publish; every exchange is validated.

Things are three small files for the transaction alone, or a signed release for the whole of it.
"""

import contextlib
import re
import runpy
import shutil
import traceback
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from release_tool.chain.publish import Services, release_exported
from release_tool.chain.upload import Publication
from release_tool.cli.state import State
from release_tool.core.names import Destination, RepoSlug, Tag
from release_tool.github.client import open_github
from release_tool.github.preflight import check_ready
from release_tool.github.transaction import publish_release
from release_tool.github.transfer import make_read_api
from release_tool.provenance.exported import open_exported
from release_tool.provenance.statement import Builder
from release_tool.rehearsal.github.standin import CallKind, Fault, FaultKind, start_github
from release_tool.rehearsal.github.state import GitHubState
from release_tool.sigstore.sign.token import Identity, open_identity
from release_tool.sigstore.trust.instance import SigstoreInstance
from tests.examples import STANDIN

CHECKER = Path(__file__).parent.parent / "openapi" / "checker.py"
MANIFEST = "tiny.manifest.json"
TOKEN = "ghp_averysecrettokenthatnobodymaysee0123"
CHANGING = (
    "releases", "tags", "burnt", "attestations", "latest", "counter", "immutable_setting",
)  # fmt: skip


CHECKING = SimpleNamespace(**runpy.run_path(str(CHECKER)))
HASTE_SECONDS = 0.03
"""How long a call that is about to stall is waited for; all others have their usual time."""


class Recorder(httpx.BaseTransport):
    """Keeps exchanges; `refuse` and `hasten` say of which requests no answer will come."""

    def __init__(self, refuse=None, hasten=None):
        self.inner = CHECKING.Recorder()
        self.inner.refuse = refuse or self.inner.refuse
        self.hasten = hasten or (lambda request: False)

    def close(self):
        self.inner.close()

    def handle_request(self, request):
        if self.hasten(request):
            kinds = ("connect", "read", "write", "pool")
            request.extensions["timeout"] = dict.fromkeys(kinds, HASTE_SECONDS)
        return self.inner.handle_request(request)


def is_kind(request, kind):
    """Tell what kind of call a request is that the stand-in may never see."""
    method, path = request.method, request.url.path
    tail = path.partition("/repos/rehearsal/tiny")[2]
    by_id = re.fullmatch(r"/releases/\d+", tail) is not None
    one_asset = tail.startswith("/releases/assets/")
    return {
        "repository": path.endswith("/repos/rehearsal/tiny"),
        "release-by-tag": tail.startswith("/releases/tags/"),
        "releases": method == "GET" and tail == "/releases",
        "make-draft": method == "POST" and tail == "/releases",
        "release": method == "GET" and by_id,
        "publish": method == "PATCH",
        "edit": method == "PATCH",
        "remove-release": method == "DELETE" and by_id,
        "assets": method == "GET" and tail.endswith("/assets"),
        "upload": method == "POST" and tail.endswith("/assets"),
        "asset": method == "GET" and one_asset,
        "remove-asset": method == "DELETE" and one_asset,
        "commit": tail.startswith("/commits/"),
        "immutable": tail == "/immutable-releases",
        "attest": tail == "/attestations",
        "attestations": tail.startswith("/attestations/"),
        "download": path.startswith("/rehearsal/tiny/releases/download/"),
        "content": path.startswith("/content/"),
    }[kind]


class Notes:
    """A listener that keeps what it was told, and says it aloud as the command line does."""

    def __init__(self):
        self.lines = []
        self.bars = {}
        self.voice = State(verbose=True, actions=True)
        self.traces = []

    def stage(self, name):
        self.lines.append(name)
        return self.voice.stage(name)

    def note(self, text):
        self.lines.append(text)
        self.voice.note(text)

    def fail(self, error):
        """End with an error as the command line does; return the exit code."""
        self.lines += [error.message, error.hint or ""]
        self.traces += traceback.format_exception(error)
        self.voice.print_error(error)
        return error.exit_code

    @contextlib.contextmanager
    def bar(self, name, total):
        self.bars.setdefault(name, []).append(0)

        def advance(count):
            self.bars[name][-1] += count

        yield advance

    @property
    def text(self):
        return "\n".join(self.lines)


@dataclass(frozen=True)
class Signed:
    """A release that is signed and goes nowhere yet, and whose signatures are good here."""

    directory: Path
    instance: SigstoreInstance
    identity: Identity
    identity_token: str
    tag: Tag

    @property
    def contents(self):
        return {path.name: path.read_bytes() for path in self.directory.iterdir()}


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
        self.secrets = {TOKEN}
        self.repo = RepoSlug.parse(stand_in.repo)
        self.tag = Tag.parse("tiny-v1")

    def open_client(self, refuse=None, hasten=None):
        recorder = Recorder(refuse, hasten)
        self.recorders.append(recorder)
        return self.stack.enter_context(httpx.Client(transport=recorder))

    def spoil(self, kind, fault, nth=1, times=1):
        """Put a fault in place; return the client that will meet it, and proof that it did.

        That a connection is refused the stand-in never sees, so the client is told.
        """
        refused: list[object] = []
        counts = self.stand_in.counts

        def refuse(request):
            strikes = counts[kind] == nth - 1 and is_kind(request, kind)
            if strikes and len(refused) < times:
                refused.append(request)
                return True
            return False

        if fault == "refused":
            return self.open_client(refuse), lambda: bool(refused)
        self.stand_in.faults.append(Fault(CallKind(kind), FaultKind(fault), nth, times))

        def hasten(request):
            strikes = nth - 1 <= counts[kind] < nth - 1 + times
            return fault == "stall" and strikes and is_kind(request, kind)

        return self.open_client(hasten=hasten), lambda: counts[kind] >= nth

    def clear(self):
        """Make the stand-in as it was, to save the starting of another."""
        fresh = GitHubState(self.state.directory, self.state.owner, self.state.name)
        for name in CHANGING:
            setattr(self.state, name, getattr(fresh, name))
        for path in self.state.directory.iterdir():
            path.unlink()
        self.forget()

    def forget(self):
        """Let nothing be on cue and nothing be noted; what is published stays."""
        for log in (self.stand_in.faults, self.stand_in.requests, self.stand_in.counts):
            log.clear()
        self.notes, self.naps, self.recorders = Notes(), [], []

    def connect(self, token=TOKEN, refuse=None, api=None, client=None, **changed):
        client = client or self.open_client(refuse)
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

    def release(self, signed, client=None, *, reading_token=TOKEN, **changed):
        """Do what `release-tool publish` does from an export on, and read it back."""
        target = self.target(signed, client, reading_token, **changed)
        self.secrets.add(signed.identity_token)
        builder = Builder.from_environment({})
        services = Services(signed.instance, signed.identity, builder, target)
        exported = open_exported(signed.directory, STANDIN)
        to = target.to
        ready = check_ready(target.github, to.repo, to.tag, to.target)
        released, _ = release_exported(
            exported, STANDIN, services, ready=ready, progress=self.notes
        )
        return released

    def target(self, signed, client=None, reading_token=TOKEN, **changed):
        """Say where a release goes and how it is read back, all with one client."""
        client = client or self.open_client()
        github = self.connect(client=client, **changed)
        source = make_read_api(client, self.stand_in.api, reading_token)
        return Publication(github, source, Destination(self.repo, signed.tag, "main"))

    def kinds(self):
        return [str(entry.kind) for entry in self.stand_in.requests]

    def validate(self):
        for recorder in self.recorders:
            for request, body, response in recorder.inner.exchanges:
                self.checker.check(request, body, response)
        for entry in self.stand_in.requests:
            self.check_told(entry)

    def check_told(self, entry):
        """GitHub's token stands in one header and goes to one origin; other secrets to none."""
        told = {**entry.headers, **entry.query, "path": entry.path}
        if entry.origin == "api":
            told.pop("authorization", None)
        assert not [name for name, text in told.items() if any(s in text for s in self.secrets)]

    def check_secrets(self, said, *places):
        """Neither token shows in what was said, in any error's whole chain, or in any file."""
        texts = [said, self.notes.text, *self.notes.traces]
        assert not [text for text in texts if any(secret in text for secret in self.secrets)]
        for place in (self.state.directory, *places):
            for path in place.rglob("*"):
                content = path.read_bytes() if path.is_file() else b""
                assert not [secret for secret in self.secrets if secret.encode() in content], path

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


@pytest.fixture(scope="session")
def signed(rehearsed, sigstore, tmp_path_factory):
    """A signed release, for many tests, none of which changes it."""
    directory = tmp_path_factory.mktemp("signed") / "dist"
    ignored = shutil.ignore_patterns("rehearsal")
    shutil.copytree(rehearsed.directory, directory, ignore=ignored)
    config = (rehearsed.directory / "rehearsal" / "trust_config.json").read_bytes()
    instance = SigstoreInstance(config, "the rehearsal")
    token = sigstore.make_identity_token()
    identity = open_identity(instance, token, interactive=False)
    made = Signed(directory, instance, identity, token, Tag.parse(STANDIN.tag))
    before = made.contents
    yield made
    assert made.contents == before


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


@pytest.fixture(scope="module")
def standing(checker):
    """A world that stays for all the tests of a module, see `borrow`."""
    with contextlib.ExitStack() as stack:
        stand_in = stack.enter_context(start_github(repo="rehearsal/tiny", token=TOKEN))
        yield World(stand_in, checker, stack)


@pytest.fixture
def borrow(capfd, tmp_path):
    """Let a test have a world that stays.

    At the end its clients are closed, its exchanges validated, and everything that came of it is
    searched for secrets.
    """

    @contextlib.contextmanager
    def lend(world):
        with contextlib.ExitStack() as stack:
            world.stack = stack
            yield world
        world.validate()
        world.check_secrets("".join(capfd.readouterr()), tmp_path)

    return lend
