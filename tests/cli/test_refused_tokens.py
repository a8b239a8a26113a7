"""A token that GitHub refuses hides nothing that is public, and is the reason of what fails."""

from pathlib import Path

import pytest

SAML = "Resource protected by organization SAML enforcement"
RELEASE = "rehearsal/u2netp-mirror@u2netp-mirror-v1"
MODEL = "u2netp_mirror_v1.onnx"
KINDS = {"SAML": (403, SAML), "expired": (401, "Bad credentials")}


@pytest.fixture
def published(run, world, exported: Path) -> Path:
    """A release that was signed and published in the test's own world."""
    assert run("sign", exported, *world.signing).code == 0
    assert run("upload", exported, *world.believing, *world.api).code == 0
    return exported


@pytest.fixture(params=sorted(KINDS))
def refused(request, published: Path, world, monkeypatch: pytest.MonkeyPatch) -> str:
    """Have GitHub refuse the token; give the words in which it does."""
    status, words = KINDS[request.param]
    world.github.state.sign_on = status == 403
    if status == 401:
        monkeypatch.setenv("GH_TOKEN", "ghp_onethathasexpired")
    world.github.requests.clear()
    return f"answered {status} to the token in GH_TOKEN: {words}"


def fetch(run, world, place: Path):
    return run("fetch", RELEASE, "--to", place, *world.believing, *world.api)


def test_a_public_release_is_fetched_without_the_token_that_is_refused(
    run, world, refused: str, tmp_path: Path
):
    result = fetch(run, world, tmp_path / "model")
    assert result.code == 0, result.err
    # It is said once, and the token is not sent again.
    assert result.err.count(refused) == 1
    assert "asking again without it" in result.err
    assert sum("authorization" in one.headers for one in world.github.requests) == 1
    assert "ghp_" not in result.out + result.err


def test_a_private_release_stays_hidden_and_the_refusal_is_the_reason(
    run, world, refused: str, tmp_path: Path
):
    world.github.state.private = True
    result = fetch(run, world, tmp_path / "model")
    assert result.code == 9
    (error,) = [line for line in result.err.splitlines() if line.startswith("error: ")]
    assert refused in error
    assert error.endswith("without it, the answer is 404")
    assert "may be needed" not in result.err
    assert not list((tmp_path / "model").glob("*.onnx"))


@pytest.mark.parametrize("origin", [RELEASE, RELEASE.partition("@")[0]])
def test_bundles_are_found_without_the_token_that_is_refused(
    run, world, published: Path, refused: str, origin: str
):
    model = published / MODEL
    result = run("verify", model, "--from", origin, *world.believing, *world.api)
    assert result.code == 0, result.err
    assert result.err.count(refused) == 1


def test_what_needs_a_token_fails_with_the_refusal_and_before_anything_is_signed(
    run, world, refused: str, published: Path
):
    entries = len(world.sigstore.rekor.entries)
    for command in (
        ["upload", published, *world.believing],
        ["abort", "--repo", RELEASE.partition("@")[0]],
    ):
        result = run(*command, *world.api)
        assert result.code == 6, result.err
        assert refused.partition(": ")[2] in result.err
        assert "token in GH_TOKEN" in result.err
        assert "GITHUB_TOKEN" not in result.err
    assert len(world.sigstore.rekor.entries) == entries


def test_a_good_token_that_sees_no_release_is_not_said_to_be_missing(
    run, world, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    result = fetch(run, world, tmp_path / "model")
    assert result.code == 9
    assert "that the token in GH_TOKEN may not read" in result.err
    monkeypatch.delenv("GH_TOKEN")
    assert "a private repository needs GH_TOKEN" in fetch(run, world, tmp_path / "model").err
