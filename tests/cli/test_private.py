"""A private repository's name gets into no public log unless somebody says that it may."""

from pathlib import Path

import pytest

REPO = "rehearsal/u2netp-mirror"
TAG = "u2netp-mirror-v1"
REFUSAL = f"{REPO} is private, and Sigstore's public log would show its name to everybody for ever"


@pytest.fixture
def private(world) -> list[str]:
    """Make the world's repository private; give what signs as its workflow."""
    world.github.state.private = True
    return signing_in(world, "private")


def signing_in(world, visibility: str | None) -> list[str]:
    token = world.sigstore.make_identity_token(repository_visibility=visibility)
    return ["--sigstore", world.trust_config, "--identity-token", token, *world.recipe]


def logged(world) -> int:
    return len(world.sigstore.rekor.entries) + len(world.sigstore.ctlog.entries)


@pytest.mark.parametrize("visibility", ["private", "internal", None])
def test_nothing_is_signed_by_a_workflow_of_a_private_repository(
    run, world, exported: Path, visibility: str | None
):
    before = logged(world)
    result = run("sign", exported, *signing_in(world, visibility))
    assert result.code == 5
    assert REFUSAL in result.err
    assert "--public-log" in result.err
    assert logged(world) == before


def test_it_is_signed_where_that_is_meant(run, world, exported: Path, private):
    assert run("sign", exported, *private, "--public-log").code == 0


def test_the_configuration_may_say_that_it_is_meant(
    run, world, exported: Path, private, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(exported.parent)
    Path("release-tool.toml").write_text("public_log = 'yes'\n")
    refused = run("sign", exported, *private)
    assert refused.code == 3
    assert "public_log should be true or false" in refused.err
    Path("release-tool.toml").write_text("public_log = false\n")
    assert run("sign", exported, *private).code == 5
    Path("release-tool.toml").write_text("public_log = true\n")
    assert run("sign", exported, *private).code == 0


@pytest.mark.usefixtures("private")
def test_who_is_no_workflow_of_it_publishes_there_only_where_that_is_meant(
    run, world, exported: Path, standin
):
    out = ["--repo", REPO, "--out", exported]
    command = ["publish", *standin.options, *out, *world.api, *signing_in(world, "public")]
    before = logged(world)
    result = run(*command)
    assert result.code == 5, result.err
    assert REFUSAL in result.err
    assert (logged(world), world.releases) == (before, [])
    assert {one.method for one in world.github.requests} == {"GET"}
    assert run(*command, "--public-log").code == 0
    assert world.releases == [TAG]


def test_the_doctor_tells(run, world, private, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)  # no release of somebody's may lie in dist/
    options = ["doctor", "--repo", REPO, *world.api, *private]
    refused = run(*options, "--json")
    assert refused.code == 5
    (found,) = [one for one in refused.document["checks"] if one["name"] == "public log"]
    assert found["verdict"] == "failed"
    assert REFUSAL in found["text"]
    meant = run(*options, "--public-log")
    assert "as was asked for" in meant.out
    world.github.state.private = False
    assert "public already" in run("doctor", "--repo", REPO, *world.api, *world.signing).out


def test_the_doctor_says_what_it_cannot_know(run, world):
    result = run("doctor", "--repo", "other/name", *world.api, *world.signing)
    assert "not known whether the repository is private: looking at other/name" in result.out
