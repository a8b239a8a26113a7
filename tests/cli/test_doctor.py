"""The doctor's checklist where it must foresee how `upload` would end."""

import shutil
from pathlib import Path

import pytest

from release_tool.cli.commands.doctor import show_findings
from release_tool.cli.state import State
from release_tool.core.errors import PublishError, TryAgain
from release_tool.github.finding import failure

REPO = "rehearsal/u2netp-mirror"
BUNDLES = ("u2netp_mirror_v1.onnx.sigstore.json", "u2netp_mirror_v1.provenance.sigstore.json")


def checklist(result):
    return {check["name"]: check for check in result.document["checks"]}


def test_a_release_that_another_workflow_signed_is_said_to_be_refused_by_upload(
    run, world, rehearsed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """The doctor has the identity that signed, but `upload` goes by the options alone."""
    workflow = f"{REPO}/.github/workflows/publish.yml@refs/heads/main"
    monkeypatch.setenv("GITHUB_WORKFLOW_REF", workflow)
    token = world.sigstore.make_identity_token(workflow_ref=workflow, job_workflow_ref=workflow)
    identity = ["--sigstore", world.trust_config, "--identity-token", token, *world.recipe]
    directory = shutil.copytree(rehearsed.directory, tmp_path / "dist")
    shutil.rmtree(directory / "rehearsal")
    for name in BUNDLES:
        (directory / name).unlink()
    assert run("sign", directory, *identity, "--other-publisher").code == 0
    options = [directory, *world.believing, *world.api]

    refused = run("doctor", *options, *identity, "--json")
    line = checklist(refused)["signatures"]
    assert (refused.code, line["verdict"]) == (0, "unknown"), refused.err
    assert f"unchanged since it was signed by https://github.com/{workflow}" in line["text"]
    assert f"expected https://github.com/{REPO}/.github/workflows/release.yml@" in line["text"]
    assert "--workflow" in line["hint"]
    assert run("upload", *options).code == 8
    assert not world.github.state.releases

    named = [*options, "--workflow", "publish.yml"]
    assert checklist(run("doctor", *named, *identity, "--json"))["signatures"]["verdict"] == "ok"
    assert run("upload", *named).code == 0


def test_a_token_that_is_none_is_a_line_of_the_checklist(
    run, world, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GH_TOKEN", "a b")
    result = run("doctor", "--repo", REPO, *world.api, *world.signing, "--json")
    assert result.code == 6
    checks = checklist(result)
    failed = [name for name, check in checks.items() if check["verdict"] == "failed"]
    assert failed == ["token"]
    assert checks["token"]["text"].endswith("holds characters that no token has")
    assert "GH_TOKEN" in checks["token"]["hint"]
    for name in ("repository", "target", "tag", "drafts", "immutable releases"):
        assert checks[name]["text"] == f"not asked: {checks['token']['text']}"
    assert checks["signing identity"]["verdict"] == "ok"
    assert "a b" not in result.out + result.err
    assert not world.github.requests


def test_what_no_repetition_mends_decides_the_exit_code(capfd):
    """75 would have a script come back for ever."""
    away = [failure("signing identity", TryAgain("away")), failure("clock", TryAgain("off"))]
    findings = [away[0], failure("token", PublishError("bad")), away[1]]
    with pytest.raises(PublishError, match="bad"):
        show_findings(State(), "o/r@v1", findings)
    with pytest.raises(TryAgain, match="away"):
        show_findings(State(), "o/r@v1", away)
    assert "away" in capfd.readouterr().out
