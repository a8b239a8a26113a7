"""GitHub's own attestation of an immutable release, signed by an instance without logs."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from release_tool.rehearsal.github.attesting import IDENTITY
from release_tool.rehearsal.github.standin import start_github
from release_tool.rehearsal.sigstore.private import PrivateSigstore

TAG = "u2netp-mirror-v1"


@pytest.fixture
def private() -> PrivateSigstore:
    return PrivateSigstore.make()


@pytest.fixture
def github(private: PrivateSigstore, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    with start_github(immutable=True, attester=private.state) as running:
        monkeypatch.setenv("GH_TOKEN", running.token)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield running


@pytest.fixture
def roots(rehearsed: Any, private: PrivateSigstore, tmp_path: Path) -> Path:
    """Write both roots into one file."""
    path = tmp_path / "roots.jsonl"
    path.write_bytes(rehearsed.trusted_root.read_bytes() + private.trusted_root)
    return path


@pytest.fixture
def published(run: Any, rehearsed: Any, standin: Any, github: Any, roots: Path) -> Any:
    """Publish the rehearsed release; GitHub attests it at once."""
    target = ["--repo", github.repo, "--tag", TAG, "--github-api", github.api]
    pinned = ["--recipe", standin.recipe_file, "--trusted-root", roots]
    result = run("upload", rehearsed.directory, *target, *pinned)
    assert result.code == 0, result.err
    return result


def restate(github: Any, private: PrivateSigstore, change: Any, identity: str = IDENTITY) -> None:
    """Let GitHub have attested something else."""
    import base64

    state = github.state
    for at, (digests, bundle) in enumerate(state.attestations):
        document = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
        if "release/v0.2" in document["predicateType"]:
            change(document)
            made = private.state(json.dumps(document).encode(), identity)
            state.attestations[at] = (digests, json.loads(made))


def fetch(run: Any, github: Any, roots: Path, tmp_path: Path) -> Any:
    return run(
        *("fetch", f"{github.repo}@{TAG}", "--to", tmp_path / "model"),
        *("--github-api", github.api, "--repo", github.repo, "--trusted-root", roots, "--json"),
    )


def test_a_published_immutable_release_is_held_against_githubs_word(github, published):
    assert f"GitHub attests {github.repo}@{TAG}, immutable since" in published.err


def test_fetch_and_verify_show_githubs_word_of_an_immutable_release(
    run, rehearsed, github, published, roots, tmp_path
):
    fetched = fetch(run, github, roots, tmp_path)
    assert fetched.code == 0, fetched.err
    said = f"attests {github.repo}@{TAG}, immutable since"
    assert fetched.document["attested"].startswith(said)
    for origin in (f"{github.repo}@{TAG}", github.repo):
        believed = ["--repo", github.repo, "--trusted-root", roots]
        at = ["--from", origin, "--github-api", github.api]
        verified = run("verify", rehearsed.model, *at, *believed)
        assert verified.code == 0, verified.err
        assert said in verified.out


def test_a_root_without_githubs_instance_cannot_judge_it_and_the_verdict_stands(
    run, rehearsed, github, published, tmp_path
):
    fetched = fetch(run, github, rehearsed.trusted_root, tmp_path)
    assert fetched.code == 0, fetched.err
    assert "not checked, since the trusted root does not name" in fetched.document["attested"]


@pytest.mark.parametrize("at", [1, 2, -1])
def test_other_bytes_than_github_attests_are_refused(
    run, github, private, published, roots, tmp_path, at
):
    def change(document):
        document["subject"][at]["digest"]["sha256"] = "00" * 32

    restate(github, private, change)
    fetched = fetch(run, github, roots, tmp_path)
    assert fetched.code == 8
    assert "by GitHub's own attestation" in fetched.err
    assert "installed" not in fetched.document


def test_the_attestation_of_another_release_and_of_somebody_else_count_nothing(
    run, github, private, published, roots, tmp_path
):
    def other(document):
        document["predicate"]["tag"] = "another"
        document["subject"][1]["digest"]["sha256"] = "00" * 32

    restate(github, private, other)
    assert fetch(run, github, roots, tmp_path).document["attested"] is None
    restate(github, private, lambda document: document["predicate"].update(tag=TAG), "https://a.b")
    again = fetch(run, github, roots, tmp_path)
    assert (again.code, again.document["attested"]) == (0, None)


def test_a_damaged_attestation_of_githubs_is_refused_and_one_that_cannot_be_read_is_said(
    run, github, published, roots, tmp_path
):
    ((digests, bundle),) = [
        each for each in github.state.attestations if "tlogEntries" not in str(each)
    ]
    signature = bundle["dsseEnvelope"]["signatures"][0]
    signature["sig"] = signature["sig"][:-8] + "AAAAAAA="
    damaged = fetch(run, github, roots, tmp_path)
    assert damaged.code == 8, damaged.err
    bundle["mediaType"] = "application/json"
    unread = fetch(run, github, roots, tmp_path)
    assert unread.code == 0, unread.err
    assert "cannot be read" in unread.document["attested"]
    assert digests
