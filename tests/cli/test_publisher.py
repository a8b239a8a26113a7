"""Nothing is signed by anybody whom the recipe does not believe, unless that is meant."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from release_tool.recipes.toml.writing import write_recipe

REPO = "rehearsal/u2netp-mirror"
PATH = ".github/workflows/release.yml"


def running(repo: str = REPO, file: str = "release.yml", ref: str = "refs/heads/main", **ids: str):
    """The claims of a run elsewhere."""
    workflow = f"{repo}/.github/workflows/{file}@{ref}"
    return {
        "repository": repo,
        "ref": ref,
        "workflow_ref": workflow,
        "job_workflow_ref": workflow,
        **ids,
    }


ELSEWHERE = {
    "another branch": running(ref="refs/heads/feature"),
    "a tag": running(ref="refs/tags/v1"),
    "another workflow": running(file="ci.yml"),
    "a fork": running("somebody/u2netp-mirror", repository_owner_id="1", repository_id="1"),
    "a squatter of the name": running(repository_owner_id="1", repository_id="1"),
    "a called workflow": running() | {"job_workflow_ref": f"a/b/{PATH}@refs/heads/main"},
    "a pull request": running(ref="refs/pull/7/merge"),
}


@pytest.fixture
def exported(rehearsed, tmp_path: Path) -> Path:
    directory = Path(shutil.copytree(rehearsed.directory, tmp_path / "dist"))
    shutil.rmtree(directory / "rehearsal")
    for bundle in directory.glob("*.sigstore.json"):
        bundle.unlink()
    return directory


@pytest.fixture
def sign(run, world, exported: Path, standin, monkeypatch: pytest.MonkeyPatch):
    def call(*options: str | Path, recipe: Path = standin.recipe_file, **claims: str):
        monkeypatch.setenv("GITHUB_WORKFLOW_REF", claims.get("workflow_ref", f"{REPO}/x"))
        token = world.sigstore.make_identity_token(**claims)
        identity = ["--sigstore", world.trust_config, "--identity-token", token]
        return run("sign", exported, "--recipe", recipe, *identity, *options)

    return call


def asked(world) -> int:
    """How many certificates Fulcio was asked for: each leaves an entry in the CT log."""
    return len(world.sigstore.ctlog.entries)


def test_the_recipes_publisher_signs(sign, world):
    before = asked(world)
    result = sign(**running())
    assert result.code == 0, result.err
    assert asked(world) > before


@pytest.mark.parametrize("where", ELSEWHERE)
def test_a_run_elsewhere_stops_before_fulcio_is_asked(sign, world, exported: Path, where: str):
    before = asked(world)
    result = sign(**ELSEWHERE[where])
    assert result.code == 5
    assert "nothing was signed: the recipe u2netp-rehearsal believes another signer" in result.err
    assert "expected " in result.err
    assert "--other-publisher" in result.err
    assert asked(world) == before
    assert not list(exported.glob("*.sigstore.json"))


def test_an_option_says_that_another_publisher_is_meant(sign):
    result = sign("--other-publisher", **ELSEWHERE["another branch"])
    assert result.code == 0, result.err


def test_a_mail_address_is_no_publisher_either(sign, world):
    before = asked(world)
    result = sign(iss="https://accounts.example.com", email="me@example.com", sub="me")
    assert result.code == 5
    assert "actual me" in result.err
    assert asked(world) == before


def test_the_projects_own_configuration_says_who_publishes(sign, tmp_path: Path):
    config = tmp_path / "release-tool.toml"
    config.write_text(f'[publisher]\nrepo = "{REPO}"\nrefs = ["refs/heads/feature"]\n')
    assert sign("--config", config, **ELSEWHERE["another branch"]).code == 0
    refused = sign("--config", config, **running())
    assert refused.code == 5
    assert f"{config} believes another signer" in refused.err


def test_a_renamed_publisher_signs(sign, standin, tmp_path: Path):
    publisher = standin.recipe.publisher
    ids = {"repository_owner_id": publisher.owner_id, "repository_id": publisher.repo_id}
    renamed = running("newname/u2netp-mirror", **ids)
    assert sign(**renamed).code == 0
    recipe = replace(standin.recipe, publisher=replace(publisher, owner_id=None))
    path = tmp_path / "named.toml"
    path.write_text(write_recipe(recipe))
    assert sign(recipe=path, **renamed).code == 5


def test_the_doctor_says_whom_the_recipe_believes(run, world):
    options = ["--repo", REPO, *world.api, *world.signing, "--json"]
    believed = run("doctor", *options).document
    [line] = [check for check in believed["checks"] if check["name"] == "publisher"]
    assert (line["verdict"], "u2netp-rehearsal" in line["text"]) == ("ok", True)
    [line] = [
        check
        for check in run("doctor", *options, "--recipe", "u2netp").document["checks"]
        if check["name"] == "publisher"
    ]
    assert line["verdict"] == "unknown"
    assert "supply-chain.yml@refs/heads/master or @refs/tags/v<version>" in line["text"]
    assert "--other-publisher" in line["hint"]
