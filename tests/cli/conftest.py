"""The outside world of the command line: a Sigstore, a GitHub, and a token in the environment."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from release_tool.rehearsal.github.standin import GitHubStandIn, start_github
from release_tool.rehearsal.stack import SigstoreStack
from tests.conftest import StandIn

BUNDLES = ("u2netp_mirror_v1.onnx.sigstore.json", "u2netp_mirror_v1.provenance.sigstore.json")


@dataclass(frozen=True)
class World:
    """The stand-ins, and the options that lead the program to them; what is released is pinned."""

    github: GitHubStandIn
    sigstore: SigstoreStack
    trust_config: Path
    recipe: list[str]

    @property
    def api(self) -> list[str]:
        return ["--github-api", self.github.api]

    @property
    def signing(self) -> list[str]:
        token = self.sigstore.make_identity_token()
        signing = ["--sigstore", str(self.trust_config), "--identity-token", token]
        return [*signing, *self.recipe]

    @property
    def believing(self) -> list[str]:
        root = ["--trusted-root", str(self.trust_config)]
        return ["--repo", "rehearsal/u2netp-mirror", *root, *self.recipe]

    @property
    def releases(self) -> list[str]:
        """The tags that everybody can see."""
        return [release.tag for release in self.github.state.releases.values() if not release.draft]


@pytest.fixture(autouse=True)
def _unmeasured(unmeasured_children: None) -> None:
    """Measure no child here; the worker is measured by the tests of its own stage."""


@pytest.fixture
def world(
    sigstore: SigstoreStack, standin: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    """Start a GitHub that is the test's own, beside the session's Sigstore."""
    path = tmp_path / "trust_config.json"
    path.write_bytes(sigstore.trust_config)
    monkeypatch.delenv("GITHUB_TOKEN", raising=False)
    # Whose identity it is says that it runs in a workflow; so does then the provenance.
    for name, value in sigstore.actions_environment().items():
        if name.startswith("GITHUB_"):
            monkeypatch.setenv(name, value)
    with start_github() as github:
        monkeypatch.setenv("GH_TOKEN", github.token)
        yield World(github, sigstore, path, ["--recipe", str(standin.recipe_file)])


@pytest.fixture
def exported(rehearsed, tmp_path: Path) -> Path:
    """A release that was exported and not yet signed."""
    directory = Path(shutil.copytree(rehearsed.directory, tmp_path / "dist"))
    shutil.rmtree(directory / "rehearsal")
    for name in BUNDLES:
        (directory / name).unlink()
    return directory


@pytest.fixture
def signed(run, world, rehearsed, tmp_path: Path) -> Path:
    """A release that the world's Sigstore signed."""
    directory = Path(shutil.copytree(rehearsed.directory, tmp_path / "dist"))
    for path in directory.glob("*.sigstore.json"):
        path.unlink()
    assert run("sign", directory, *world.signing).code == 0
    return directory
