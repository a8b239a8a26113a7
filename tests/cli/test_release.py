"""Sign, upload, publish, fetch, doctor and abort, against stand-ins on loopback."""

import contextlib
import json
import shutil
import subprocess
import sys
from importlib.util import spec_from_file_location
from pathlib import Path

import httpx
import pytest

from release_tool.chain import signatures
from release_tool.chain import signed as signed_release
from release_tool.chain.earlier import installed_toolchain
from release_tool.chain.upload import keep_attestation
from release_tool.cli.state import State
from release_tool.core.digest import Sha256
from release_tool.core.errors import TryAgain
from release_tool.core.files import write_whole
from release_tool.core.locks import only_one
from release_tool.core.names import Destination
from release_tool.core.progress import SILENT
from release_tool.github.client import open_github
from release_tool.recipes.u2netp import U2NETP
from release_tool.rehearsal.github.faults import Fault
from release_tool.rehearsal.stack import start_sigstore
from release_tool.verify.evidence import open_evidence
from release_tool.verify.verdict import verify_release
from tests.cli.conftest import BUNDLES
from tests.conftest import Result

REPO = "rehearsal/u2netp-mirror"
TAG = "u2netp-mirror-v1"


@pytest.fixture
def signed(run, world, exported: Path) -> Path:
    """A release that was signed by the world's Sigstore."""
    assert run("sign", exported, *world.signing).code == 0
    return exported


def digests(directory: Path) -> dict[str, Sha256]:
    return {path.name: Sha256.of_file(path) for path in directory.iterdir() if path.is_file()}


def test_signing_adds_two_bundles_and_changes_nothing_else(run, world, exported: Path):
    before = digests(exported)
    result = run("sign", exported, *world.signing)
    assert result.code == 0, result.err
    after = digests(exported)
    assert set(after) - set(before) == set(BUNDLES)
    assert {name: after[name] for name in before} == before


def test_a_workflow_identity_does_not_sign_what_was_built_elsewhere(
    run, world, exported: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("GITHUB_ACTIONS")
    entries = len(world.sigstore.rekor.entries)
    result = run("sign", exported, *world.signing)
    assert result.code == 5
    assert "the builder urn:release-tool:builder:local" in result.err
    assert len(world.sigstore.rekor.entries) == entries
    assert run("doctor", exported, "--repo", REPO, *world.api, *world.signing).code == 5


def test_signing_again_reuses_signatures_that_cover_the_bytes(run, world, signed: Path):
    before = digests(signed)
    result = run("sign", signed, *world.signing)
    assert result.code == 0
    assert "reusing the signatures" in result.err
    assert digests(signed) == before


def test_a_file_that_is_not_as_measured_is_not_signed(run, world, exported: Path):
    for name in ("u2netp_mirror_v1.onnx", "Apache-2.0-u2netp.txt"):
        content = (exported / name).read_bytes()
        (exported / name).write_bytes(content + b"\n")
        result = run("sign", exported, *world.signing)
        assert result.code == 3
        assert "the manifest says" in result.err
        (exported / name).write_bytes(content)
    assert not any((exported / name).exists() for name in BUNDLES)


def test_a_directory_that_is_none_is_refused(run, world, tmp_path: Path):
    result = run("sign", tmp_path / "none", *world.signing)
    assert result.code == 3
    assert "there is no directory" in result.err


def test_without_an_identity_nothing_is_signed(
    run, world, exported: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    result = run("sign", exported, "--sigstore", world.trust_config)
    assert result.code == 5
    assert "no signing identity" in result.err


def test_an_upload_publishes_the_whole_release_once(run, world, signed: Path):
    arguments = ["upload", signed, *world.believing, *world.api]
    first = run(*arguments, "--json")
    assert first.code == 0, first.err
    assert first.document["status"] == "published"
    assert first.document["already"] is False
    assert world.releases == [TAG]
    again = run(*arguments)
    assert again.code == 0
    assert "already published, with the same bytes" in again.out
    assert world.releases == [TAG]


def test_the_provenance_is_stored_with_githubs_attestations(run, world, signed: Path):
    assert run("upload", signed, *world.believing, *world.api).code == 0
    model = signed / "u2netp_mirror_v1.onnx"
    (signed / BUNDLES[0]).unlink()
    result = run("verify", model, *world.believing, "--from", REPO, *world.api)
    assert result.code == 0, result.err


def test_the_bundle_can_be_fetched_from_the_release(run, world, signed: Path):
    assert run("upload", signed, *world.believing, *world.api).code == 0
    (signed / BUNDLES[0]).unlink()
    model = signed / "u2netp_mirror_v1.onnx"
    origin = ["--from", f"{REPO}@{TAG}", *world.api]
    assert run("verify", model, *world.believing, *origin).code == 0
    digest = str(Sha256.of_file(model))
    assert run("verify", digest, *world.believing, *origin).code == 2


def test_a_release_that_consumers_would_refuse_is_not_uploaded(run, world, signed: Path):
    result = run("upload", signed, *world.believing, *world.api, "--ref", "refs/heads/other")
    assert result.code == 8
    assert world.releases == []
    assert not world.github.state.releases


def test_an_upload_for_an_exact_identity(run, world, signed: Path):
    exact = ["--cert-identity", world.sigstore.identity, "--cert-oidc-issuer"]
    result = run("upload", signed, *world.believing, *world.api, *exact, world.sigstore.issuer)
    assert result.code == 0, result.err


@pytest.mark.parametrize(("choice", "marked"), [("yes", True), ("no", False)])
def test_an_upload_says_whether_it_becomes_the_latest_release(
    run, world, signed: Path, choice, marked
):
    result = run("upload", signed, *world.believing, *world.api, "--latest", choice)
    assert result.code == 0, result.err
    assert (world.github.state.latest is not None) == marked


def test_an_old_target_is_refused_with_the_real_reason_and_none_is_needed(run, world, signed: Path):
    old = "b" * 40
    world.github.state.commits["old"] = old
    world.github.state.settings.workflows[old] = {"release.yml": "on: push\n"}
    arguments = ["upload", signed, *world.believing, *world.api]
    refused = run(*arguments, "--target", old)
    assert refused.code == 6
    assert "the workflow files are not those of main" in refused.err
    assert "leave --target out" in refused.err
    assert not world.github.state.releases
    assert run(*arguments).code == 0
    assert world.releases == [TAG]


def test_other_bytes_under_a_published_tag_are_a_conflict(run, world, signed: Path):
    assert run("upload", signed, *world.believing, *world.api).code == 0
    for name in BUNDLES:
        (signed / name).unlink()
    assert run("sign", signed, *world.signing).code == 0
    result = run("upload", signed, *world.believing, *world.api)
    assert result.code == 7


def test_a_kept_draft_is_not_visible_and_can_be_published_or_aborted(run, world, signed: Path):
    arguments = ["upload", signed, *world.believing, *world.api]
    kept = run(*arguments, "--keep-draft", "--json")
    assert kept.code == 0
    assert kept.document["status"] == "draft"
    assert world.releases == []
    aborted = run("abort", "--repo", REPO, *world.api)
    assert aborted.code == 0
    assert "removed the draft" in aborted.out
    assert "no draft of ours" in run("abort", "--repo", REPO, *world.api).out
    assert run(*arguments).code == 0
    assert world.releases == [TAG]


def test_without_a_token_nothing_is_sent(run, world, signed: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("GH_TOKEN")
    for command in (["upload", signed, *world.believing], ["abort", "--repo", REPO]):
        result = run(*command, *world.api)
        assert result.code == 6
        assert "set GH_TOKEN" in result.err
    assert not world.github.requests


def test_an_upload_needs_a_repository(run, world, signed: Path):
    result = run("upload", signed, "--trusted-root", world.trust_config, *world.api)
    assert result.code == 2
    assert "--repo OWNER/NAME" in result.err


def test_publish_goes_the_whole_way_and_says_nothing_was_left_to_do(
    run, world, standin, tmp_path: Path
):
    options = [*standin.options, "--out", tmp_path / "out", "--repo", REPO, *world.api]
    result = run("publish", *options, *world.signing, "--json")
    assert result.code == 0, result.err
    assert result.document["status"] == "published"
    assert "verify as a consumer" in result.err
    again = run("publish", *options, *world.signing)
    assert again.code == 0, again.err
    assert "already published" in again.out
    assert "reusing the signatures" in again.err


def test_publish_has_no_way_to_take_another_checkpoint(run):
    result = run("publish", "--unpinned-checkpoint")
    assert result.code == 2
    assert "No such option" in result.err


def test_a_release_is_fetched_verified_and_installed(run, world, signed: Path, tmp_path: Path):
    assert run("upload", signed, *world.believing, *world.api).code == 0
    target = tmp_path / "model"
    result = run("fetch", f"{REPO}@{TAG}", "--to", target, *world.believing, *world.api)
    assert result.code == 0, result.err
    installed = target / "u2netp_mirror.onnx"
    assert installed.read_bytes() == (signed / "u2netp_mirror_v1.onnx").read_bytes()
    assert not [path for path in target.iterdir() if path.name.startswith(".")]
    assert run("verify", installed, *world.believing).code == 0


def test_a_release_of_somebody_else_is_fetched_and_not_installed(
    run, world, signed: Path, tmp_path: Path
):
    assert run("upload", signed, *world.believing, *world.api).code == 0
    with start_sigstore() as other:
        root = tmp_path / "other.json"
        root.write_bytes(other.trusted_root)
    believing = ["--repo", REPO, "--trusted-root", root]
    target = tmp_path / "model"
    result = run("fetch", f"{REPO}@{TAG}", "--to", target, *believing, *world.api)
    assert result.code == 8
    assert list(target.iterdir()) == []


def test_a_release_that_is_not_there_exits_9(run, world, tmp_path: Path):
    result = run("fetch", f"{REPO}@v0", "--to", tmp_path, *world.believing, *world.api)
    assert result.code == 9
    assert "no published release" in result.err


@pytest.mark.parametrize("release", ["a/b", "a/b@", "@v1", "a/b@../x"])
def test_what_is_no_release_is_a_usage_error(run, release: str):
    assert run("fetch", release).code == 2


def test_fetch_cannot_be_offline(run):
    assert run("fetch", f"{REPO}@{TAG}", "--offline").code == 2


def test_a_network_that_is_away_exits_75(run, world, tmp_path: Path):
    api = ["--github-api", "http://127.0.0.1:1"]
    result = run("fetch", f"{REPO}@{TAG}", "--to", tmp_path, *world.believing, *api)
    assert result.code == 75


CHECKLIST = [
    "signing identity", "publisher", "directory", "signatures", "asset names", "asset sizes",
    "token", "repository", "target", "tag", "drafts", "immutable releases", "clock",
    "public log",
]  # fmt: skip


def doctor(run, world, *arguments: str | Path) -> tuple[Result, dict[str, dict[str, str]]]:
    trust = ["--trusted-root", world.trust_config]
    result = run("doctor", "--repo", REPO, *world.api, *world.signing, *trust, *arguments, "--json")
    checks = result.document["checks"]
    assert [check["name"] for check in checks] == CHECKLIST
    for check in checks:
        assert set(check) == {"name", "verdict", "text", "hint"}
        assert check["verdict"] in ("ok", "unknown", "failed")
    return result, {check["name"]: check for check in checks}


def verdicts(checks: dict[str, dict[str, str]], verdict: str) -> list[str]:
    return [name for name, check in checks.items() if check["verdict"] == verdict]


def test_the_doctor_passes_a_signed_release(run, world, signed: Path):
    result, checks = doctor(run, world, signed, "--target", "main", "--tag", "u2netp-mirror-v2")
    assert result.code == 0, result.out
    assert verdicts(checks, "failed") == []
    assert verdicts(checks, "unknown") == ["immutable releases"]
    assert checks["signatures"]["text"].startswith("unchanged since it was signed by https://")
    assert result.document["release"] == f"{REPO}@u2netp-mirror-v2"
    assert not [entry for entry in world.github.requests if entry.method != "GET"]


def test_the_doctor_looks_into_dist_and_says_where_there_is_none(
    run, world, exported: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(exported.parent)
    result, checks = doctor(run, world)
    assert result.code == 0
    assert checks["directory"]["verdict"] == "ok"
    assert checks["signatures"]["text"] == "not signed yet"
    assert checks["asset names"]["text"] == "GitHub keeps all 5 as they are"
    monkeypatch.chdir(exported)
    result, checks = doctor(run, world)
    assert result.code == 0
    assert checks["directory"]["text"] == "not checked: there is no dist/"
    for name in ("directory", "signatures", "asset names", "asset sizes"):
        assert checks[name]["verdict"] == "unknown"


def test_the_doctor_finds_what_upload_would_refuse_in_a_directory(run, world, signed: Path):
    upload = ["upload", signed, *world.believing, *world.api]

    def refused(code: int, *names: str, said: str) -> None:
        result, checks = doctor(run, world, signed)
        assert verdicts(checks, "failed") == list(names)
        assert result.code == code
        assert said in checks[names[-1]]["text"]
        assert checks[names[-1]]["hint"]
        assert run(*upload).code == code

    kept = {path: path.read_bytes() for path in signed.iterdir()}
    bundle, model = signed / BUNDLES[1], signed / "u2netp_mirror_v1.onnx"
    bundle.unlink()
    refused(9, "signatures", said="lacks its provenance")
    bundle.write_bytes(kept[bundle])
    model.write_bytes(kept[model] + b"x")
    refused(3, "directory", "signatures", said="the manifest says sha256:")
    model.write_bytes(kept[model])
    shutil.copy(model, signed / "u2netp_mirror_v0.onnx")
    refused(9, "signatures", said="should hold one model")
    (signed / "u2netp_mirror_v0.onnx").unlink()
    manifest = signed / "u2netp_mirror_v1.manifest.json"
    manifest.write_bytes(kept[manifest].replace(b'"python": "3', b'"python": "4', 1))
    refused(8, "signatures", said="digest of u2netp_mirror_v1.manifest.json")
    assert not world.github.state.releases


def test_the_doctor_says_that_a_directory_is_none(run, world, tmp_path: Path):
    result, checks = doctor(run, world, tmp_path / "none")
    assert result.code == 3
    assert "there is no directory" in checks["directory"]["text"]


def test_the_doctor_names_the_left_over_of_a_previous_version(run, world, signed: Path):
    assert run("upload", signed, *world.believing, *world.api, "--keep-draft").code == 0
    result, checks = doctor(run, world, signed)
    assert result.code == 0
    assert "one will be resumed" in checks["drafts"]["text"]
    [draft] = world.github.state.releases.values()
    manifest = Sha256.of_file(signed / "u2netp_mirror_v1.manifest.json")
    draft.body = draft.body.replace(str(manifest), "sha256:" + "0" * 64)
    result, checks = doctor(run, world, signed)
    assert result.code == 7
    assert "with another manifest" in checks["drafts"]["text"]
    assert "release-tool abort" in checks["drafts"]["hint"]


def test_the_doctor_believes_the_options_before_the_identity_at_hand(run, world, signed: Path):
    result, checks = doctor(run, world, signed, "--ref", "refs/heads/other")
    assert result.code == 8
    assert verdicts(checks, "failed") == ["signatures"]
    exact = ["--cert-identity", world.sigstore.identity, "--cert-oidc-issuer"]
    assert doctor(run, world, signed, *exact, world.sigstore.issuer)[0].code == 0


def test_a_draft_of_another_version_is_found_before_anything_is_signed(run, world, standin, fresh):
    out = fresh("out")
    keep = [*publish_options(world, standin, out), "--keep-draft"]
    assert run(*keep, *world.signing).code == 0
    [draft] = world.github.state.releases.values()
    manifest = Sha256.of_file(out / "u2netp_mirror_v1.manifest.json")
    draft.body = draft.body.replace(str(manifest), "sha256:" + "0" * 64)
    for name in BUNDLES:
        (out / name).unlink()
    entries = len(world.sigstore.rekor.entries)
    result = run(*keep, *world.signing)
    assert result.code == 7
    assert "release-tool abort" in result.err
    assert len(world.sigstore.rekor.entries) == entries


def test_the_doctor_says_what_is_missing(run, world, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("GH_TOKEN")
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    result = run("doctor", "--repo", REPO, *world.api, "--sigstore", world.trust_config)
    assert result.code == 5
    assert "FAILED   there is no GitHub token" in result.out
    assert "→ set GH_TOKEN" in result.out
    assert "id-token: write" in result.out


def test_the_doctor_lets_a_person_sign_in_later(
    run, world, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    result = run("doctor", "--repo", REPO, *world.api, "--sigstore", world.trust_config)
    assert result.code == 0
    assert "sign in with a browser" in result.out


def test_no_token_appears_in_any_output(run, world, signed: Path):
    token = world.github.token
    identity = world.sigstore.make_identity_token()
    for command in (
        ["upload", signed, *world.believing],
        ["abort", "--repo", REPO],
        ["doctor", "--repo", REPO, "--sigstore", world.trust_config, "--identity-token", identity],
    ):
        result = run(*command, *world.api, "--verbose")
        assert token not in result.out + result.err
        assert identity not in result.out + result.err
    assert json.dumps(identity) not in "".join(map(str, world.github.requests))


@pytest.fixture
def fresh(rehearsed, tmp_path: Path):
    """Give a function that makes an output directory in which the export has been made already."""

    def make(name: str) -> Path:
        out = tmp_path / name
        ignored = shutil.ignore_patterns("rehearsal", *BUNDLES)
        return Path(shutil.copytree(rehearsed.directory, out, ignore=ignored))

    return make


def publish_options(world, standin, out: Path) -> list[str | Path]:
    return ["publish", *standin.options, "--out", out, "--repo", REPO, *world.api]


def test_publish_on_another_machine_takes_the_signatures_over(run, world, standin, fresh):
    first, second = fresh("first"), fresh("second")
    assert run(*publish_options(world, standin, first), *world.signing).code == 0
    entries = len(world.sigstore.rekor.entries)
    again = run(*publish_options(world, standin, second), *world.signing)
    assert again.code == 0, again.err
    assert "took the signatures over" in again.err
    assert "already published" in again.out
    assert len(world.sigstore.rekor.entries) == entries
    assert digests(first) == digests(second)


def test_a_kept_draft_is_gone_on_with_from_another_machine(run, world, standin, fresh):
    keep = [*publish_options(world, standin, fresh("first")), "--keep-draft"]
    assert run(*keep, *world.signing).code == 0
    again = run(*publish_options(world, standin, fresh("second")), *world.signing)
    assert again.code == 0, again.err
    assert world.releases == [TAG]
    assert len(world.github.state.releases) == 1


def test_publish_says_that_it_reuses_the_export(run, world, standin, fresh):
    again = run(*publish_options(world, standin, fresh("out")), *world.signing)
    assert again.code == 0, again.err
    assert "reusing the export" in again.err
    assert "✓ export" not in again.err


def test_torch_is_known_by_what_it_calls_itself_and_not_by_its_metadata(
    tmp_path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "version.py").write_text("__version__ = '2.13.0+cu130'\n")
    spec = spec_from_file_location("torch", tmp_path / "__init__.py")
    monkeypatch.setattr("release_tool.chain.earlier.find_spec", lambda _name: spec)
    assert installed_toolchain()["torch"] == "2.13.0+cu130"
    monkeypatch.setattr("release_tool.chain.earlier.find_spec", lambda _name: None)
    assert installed_toolchain()["torch"] == ""


def test_an_export_that_was_changed_is_made_again(run, world, standin, fresh):
    out = fresh("out")
    before = digests(out)
    (out / "Apache-2.0-u2netp.txt").write_bytes(b"changed")
    again = run(*publish_options(world, standin, out), *world.signing)
    assert again.code == 0, again.err
    assert "✓ export" in again.err
    assert before.items() <= digests(out).items()


def test_a_tag_that_holds_something_else_is_found_out_before_anything_is_signed(
    run, world, standin, fresh
):
    answer = httpx.post(
        f"{world.github.api}/repos/{REPO}/releases",
        json={"draft": True, "tag_name": TAG, "name": "by hand"},
        headers={"Authorization": f"Bearer {world.github.token}"},
    )
    assert answer.status_code == 201
    entries = len(world.sigstore.rekor.entries)
    result = run(*publish_options(world, standin, fresh("out")), *world.signing)
    assert result.code == 7
    assert len(world.sigstore.rekor.entries) == entries


def test_a_file_that_changes_after_its_verification_is_not_published(
    run, world, signed: Path, monkeypatch: pytest.MonkeyPatch
):
    verify = verify_release

    def verify_and_spoil(*arguments):
        verified = verify(*arguments)
        (signed / "u2netp_mirror_v1.onnx").write_bytes(b"evil")
        return verified

    monkeypatch.setattr(signed_release, "verify_release", verify_and_spoil)
    result = run("upload", signed, *world.believing, *world.api)
    assert result.code == 6
    assert world.releases == []


@pytest.mark.parametrize("fault", ["422:1:9", "401:1:9", "lost:1:1"])
def test_an_attestation_that_fails_does_not_hide_that_the_release_is_out(
    run, world, signed: Path, fault: str
):
    world.github.faults.append(Fault.parse(f"attest:{fault}"))
    result = run("upload", signed, *world.believing, *world.api)
    assert result.code == 0, result.err
    assert world.releases == [TAG]
    world.github.faults.clear()
    assert run("upload", signed, *world.believing, *world.api).code == 0
    digest = Sha256.of_file(signed / "u2netp_mirror_v1.onnx")
    model = ["verify", str(digest), *world.believing, "--from", REPO, *world.api]
    assert run(*model).code == 0


def test_an_attestation_that_may_still_succeed_says_that_the_release_is_out(world, signed: Path):
    world.github.faults.append(Fault.parse("attest:500:1:99"))
    evidence = open_evidence(signed, U2NETP)
    to = Destination.parse(f"{REPO}@{TAG}")
    with (
        open_github(world.github.api, world.github.token, sleep=lambda _seconds: None) as github,
        pytest.raises(TryAgain, match="is published, but its attestation is not stored yet"),
    ):
        keep_attestation(github, to, evidence, SILENT)


def test_a_stray_notice_is_refused_before_signing(run, world, exported: Path):
    (exported / "NOTICE-u2netp.txt").write_text("stray")
    result = run("sign", exported, *world.signing)
    assert result.code == 3
    assert "NOTICE" in result.err


def test_bundles_that_do_not_hold_are_replaced_by_those_of_the_release(run, world, standin, fresh):
    """As a run leaves them that dies between two files, or a disk that loses some of one."""
    out, elsewhere = fresh("out"), fresh("elsewhere")
    publish = publish_options(world, standin, out)
    assert run("sign", elsewhere, *world.signing).code == 0
    assert run(*publish, *world.signing).code == 0
    before, entries = digests(out), len(world.sigstore.rekor.entries)
    bundle, provenance = (out / name for name in BUNDLES)
    for damage in (
        bundle.unlink,
        provenance.unlink,
        lambda: bundle.write_bytes(bundle.read_bytes()[:-9]),
        lambda: shutil.copy(elsewhere / BUNDLES[0], bundle),
    ):
        damage()
        again = run(*publish, *world.signing)
        assert again.code == 0, again.err
        assert "took the signatures over" in again.err
        assert "already published" in again.out
        assert digests(out) == before
        assert len(world.sigstore.rekor.entries) == entries


def test_a_bundle_that_is_missing_is_taken_from_a_draft_of_ours(run, world, standin, fresh):
    out = fresh("out")
    publish = publish_options(world, standin, out)
    assert run(*publish, *world.signing, "--keep-draft").code == 0
    before = digests(out)
    (out / BUNDLES[1]).unlink()
    again = run(*publish, *world.signing)
    assert again.code == 0, again.err
    assert digests(out) == before
    assert len(world.github.state.releases) == 1


def test_publish_believes_a_release_without_digests_when_run_again(run, world, standin, fresh):
    world.github.faults.append(Fault.parse("upload:null-digest:1:99"))
    publish = publish_options(world, standin, fresh("out"))
    assert run(*publish, *world.signing).code == 0
    again = run(*publish, *world.signing)
    assert again.code == 0, again.err
    assert "already published" in again.out


@pytest.mark.parametrize("command", ["export", "sign", "publish"])
def test_whoever_writes_into_a_directory_waits_for_another_to_finish(
    run, world, standin, fresh, monkeypatch: pytest.MonkeyPatch, command: str
):
    out, said = fresh("out"), []
    unreadable = [*standin.options, "--checkpoint", out]
    arguments = {
        "export": ["export", *unreadable, "--out", out],
        "sign": ["sign", out, *world.signing],
        "publish": [*publish_options(world, standin, out), *world.signing],
    }[command]
    before = digests(out)
    note = State.note

    with contextlib.ExitStack() as another:
        another.enter_context(only_one(out, "working"))

        def note_and_finish(state: State, text: str) -> None:
            note(state, text)
            said.append(text)
            if "waiting" in text:
                assert digests(out) == before
                another.close()

        monkeypatch.setattr(State, "note", note_and_finish)
        result = run(*arguments)
    assert result.code == (3 if command == "export" else 0), result.err
    waiting = [text for text in said if "waiting" in text]
    assert waiting == [f"another process is at work in {out}, waiting for it to finish"]
    with only_one(out, "working"):
        pass


def test_two_publications_at_once_from_one_directory_are_one(
    run, world, standin, fresh, monkeypatch: pytest.MonkeyPatch
):
    """The second starts when the first has written one of two bundles, and ends after it."""
    out, write = fresh("out"), write_whole
    others: list[subprocess.Popen[str]] = []
    publish = publish_options(world, standin, out)

    def write_and_start_another(path: Path, content: bytes) -> None:
        write(path, content)
        if path.name == BUNDLES[0] and not others:
            line = [sys.executable, "-P", "-m", "release_tool", *publish, *world.signing]
            pipe = subprocess.PIPE
            other = subprocess.Popen(line, stdout=pipe, stderr=pipe, text=True)
            others.append(other)
            assert any("waiting" in text for text in other.stderr or ())

    monkeypatch.setattr(signatures, "write_whole", write_and_start_another)
    first = run(*publish, *world.signing)
    [other] = others
    out_text, err_text = other.communicate(timeout=60)
    assert first.code == 0, first.err
    assert other.returncode == 0, err_text
    assert "already published" in out_text
    assert len(world.github.state.releases) == 1


def test_what_waits_for_nobody_leaves_no_directory_behind(run, world, standin, tmp_path: Path):
    out = tmp_path / "a" / "b"
    assert run("sign", out, *world.signing).code == 3
    unreadable = [*standin.options, "--checkpoint", tmp_path]
    assert run("export", *unreadable, "--out", out).code == 3
    assert not (tmp_path / "a").exists()
