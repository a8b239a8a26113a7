"""Fixtures that every stage's tests share."""

import contextlib
import io
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from release_tool.cli.main import main
from release_tool.recipes.catalog import open_recipe
from release_tool.recipes.recipe import Recipe
from release_tool.recipes.toml.writing import write_recipe
from release_tool.rehearsal.stack import SigstoreStack, start_sigstore
from release_tool.rehearsal.upstream import make_upstream

REHEARSED_REPOSITORY = "rehearsal/u2netp-mirror"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Begin with the workflows: their world takes long to make, and one worker is to make it."""
    items.sort(key=lambda item: "workflows" not in item.path.parts)


@dataclass(frozen=True)
class Result:
    """What a command left behind: its exit code and what it printed."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The JSON document on stdout."""
        document: dict[str, Any] = json.loads(self.out)
        return document


Run = Callable[..., Result]


@pytest.fixture
def run(capfd: pytest.CaptureFixture[str]) -> Run:
    """Run the program in this process, as a shell would see it."""

    def call(*arguments: str | Path) -> Result:
        capfd.readouterr()
        try:
            main([str(argument) for argument in arguments])
        except SystemExit as stop:
            code = stop.code if isinstance(stop.code, int) else 1
        else:
            code = 0
        captured = capfd.readouterr()
        return Result(code, captured.out, captured.err)

    return call


@pytest.fixture
def unmeasured_children(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave what a test starts unmeasured: tracing torch's import doubles its time."""
    for name in [name for name in os.environ if name.startswith("COVERAGE_")]:
        monkeypatch.delenv(name)


@pytest.fixture
def unmeasured(unmeasured_children: None) -> Iterator[None]:
    """Switch coverage off, for tests that walk the same lines a thousand times."""
    tracer, hook = sys.gettrace(), threading.gettrace()
    sys.settrace(None)
    threading.settrace(None)
    yield
    threading.settrace(hook)
    sys.settrace(tracer)


@pytest.fixture(scope="session")
def sigstore() -> Iterator[SigstoreStack]:
    """Run one rehearsal Sigstore for the whole session."""
    with start_sigstore() as stack:
        yield stack


@pytest.fixture(scope="session")
def sigstore_trust_config(sigstore: SigstoreStack) -> bytes:
    """Give the client trust config of the session's rehearsal Sigstore."""
    return sigstore.trust_config


@dataclass(frozen=True)
class Rehearsed:
    """A rehearsed release, with the stand-ins stopped."""

    directory: Path
    document: dict[str, Any]

    @property
    def model(self) -> Path:
        return self.directory / "u2netp_mirror_v1.onnx"

    @property
    def trusted_root(self) -> Path:
        return self.directory / "rehearsal" / "trusted_root.json"

    @property
    def believing(self) -> list[str]:
        """The options under which the release verifies."""
        root = ["--trusted-root", str(self.trusted_root)]
        return ["--repo", REHEARSED_REPOSITORY, *root]

    @property
    def verify_command(self) -> list[str]:
        """The command that the rehearsal printed, without the program's name."""
        command: list[str] = self.document["verify_command"]
        return command[1:]


@pytest.fixture(scope="session")
def rehearsed(tmp_path_factory: pytest.TempPathFactory) -> Rehearsed:
    """Rehearse one release for the whole session."""
    directory = tmp_path_factory.mktemp("rehearsed") / "dist"
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        main(["rehearse", "--out", str(directory), "--json"])
    return Rehearsed(directory, json.loads(printed.getvalue()))


@dataclass(frozen=True)
class StandIn:
    """A small upstream with its checkpoint, and the recipe that pins both, as a file."""

    checkout: Path
    checkpoint: Path
    recipe: Recipe
    recipe_file: Path

    @property
    def options(self) -> list[str]:
        """The options that name it all on the command line."""
        return [
            "--upstream-dir",
            str(self.checkout),
            "--checkpoint",
            str(self.checkpoint),
            "--recipe",
            str(self.recipe_file),
        ]


@pytest.fixture(scope="session")
def standin(tmp_path_factory: pytest.TempPathFactory) -> StandIn:
    """Make the stand-in upstream once; copy it before damaging it."""
    place = tmp_path_factory.mktemp("standin")
    made = make_upstream(place)
    path = place / "standin.toml"
    path.write_text(write_recipe(made.recipe))
    return StandIn(made.checkout, made.checkpoint, open_recipe(str(path)), path)
