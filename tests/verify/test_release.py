"""The files of a release: what they must say of each other, and where they are found."""

import io
import json
import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from msgspec import structs

from release_tool.core.artifact import Artifact, Content
from release_tool.core.digest import Sha256
from release_tool.core.documents import encode_json
from release_tool.core.errors import CannotVerify, NotVerified
from release_tool.core.limits import BUNDLE_LIMIT_BYTES
from release_tool.provenance.manifest import FileClaim
from release_tool.provenance.statement import (
    BUILD_TYPE,
    LOCAL_BUILDER,
    PREDICATE_TYPE,
    STATEMENT_TYPE,
    Statement,
)
from release_tool.recipes.u2net import U2NET
from release_tool.recipes.u2netp import U2NETP
from release_tool.sigstore.check.claims import Claims
from release_tool.sigstore.trust.signer import GITHUB_ISSUER
from release_tool.verify.contents import check_builder
from release_tool.verify.evidence import (
    Evidence,
    Sidecars,
    evidence_for_bytes,
    evidence_for_digest,
    exists,
    open_evidence,
    read_evidence,
)
from release_tool.verify.install import install_release
from release_tool.verify.verdict import verify_release
from tests.verify.conftest import written_metadata

NAMES = U2NETP.names


def verify(signer, path: Path, **how):
    return verify_release(open_evidence(path, U2NETP, **how), signer.expected, signer.root)


def outcomes(verified) -> dict[int, str]:
    return {step.number: step.outcome for step in verified.steps}


@pytest.fixture
def copy(release, tmp_path) -> Path:
    return Path(shutil.copytree(release, tmp_path / "copy"))


def test_a_whole_release_is_verified_by_every_step(v1, release):
    verified = verify(v1, release)
    roles = [artifact.role for artifact in verified.artifacts]
    assert roles == ["model", "bundle", "provenance", "manifest", "recipe", "license"]
    said = outcomes(verified)
    assert said[10] == "5 of 5 subjects are at hand, each with its digest"
    assert said[11] == "the manifest is about this model; the licence is upstream's"
    assert said[12] == "6 properties in the model are the manifest's"
    assert verified.provenance is not None
    assert verified.provenance.upstream_commit == "ab" * 20
    assert verified.provenance.builder == v1.expected.identity


def test_a_release_with_a_notice_is_verified_and_needs_it(v1, releases, tmp_path):
    def claim(manifest):
        return structs.replace(
            manifest, upstream=structs.replace(manifest.upstream, notice_present=True)
        )

    directory = releases.make(tmp_path / "r", notice=b"Notice", change=claim)
    assert "notice" in [artifact.role for artifact in verify(v1, directory).artifacts]
    (directory / NAMES.notice).unlink()
    with pytest.raises(NotVerified, match=r"files of the release: expected .*NOTICE"):
        verify(v1, directory)


def test_a_notice_that_the_manifest_does_not_know_is_refused(v1, releases, tmp_path):
    with pytest.raises(NotVerified, match="presence of a notice: expected False, actual True"):
        verify(v1, releases.make(tmp_path / "r", notice=b"Notice"))


def test_a_model_alone_is_verified_and_says_what_was_not_checked(v1, copy):
    for name in (NAMES.manifest, NAMES.provenance, NAMES.license):
        (copy / name).unlink()
    verified = verify(v1, copy / NAMES.model)
    assert [artifact.role for artifact in verified.artifacts] == ["model"]
    assert outcomes(verified)[10].startswith("not checked: there is no provenance")
    assert outcomes(verified)[12].startswith("not checked: there is no manifest")


def test_a_manifest_that_nothing_signs_is_not_listed_as_verified(v1, copy):
    (copy / NAMES.provenance).unlink()
    (copy / NAMES.manifest).write_text("whatever")
    verified = verify(v1, copy / NAMES.model)
    assert [artifact.role for artifact in verified.artifacts] == ["model"]
    assert "nothing signs the manifest" in outcomes(verified)[11]


def test_a_model_with_provenance_but_no_manifest_is_verified_without_contents(v1, copy):
    (copy / NAMES.manifest).unlink()
    verified = verify(v1, copy / NAMES.model)
    assert outcomes(verified)[10].startswith("4 of 5 subjects")
    assert verified.provenance.upstream_commit is None


def test_a_file_that_the_statement_does_not_name_is_refused(v1, releases, tmp_path):
    directory = releases.make(tmp_path / "r", subjects=lambda given: given[:-1])
    with pytest.raises(NotVerified, match="subjects of the provenance: expected Apache"):
        verify(v1, directory)


@pytest.mark.parametrize("alone", [True, False])
def test_of_two_subjects_of_one_name_in_another_projects_statement_one_must_be_the_file(
    v1, releases, tmp_path, alone
):
    def restate(payload: bytes) -> bytes:
        document = json.loads(payload)
        document["predicate"]["buildDefinition"]["buildType"] = "https://example.org/build"
        model = document["subject"][0]
        other = {"name": model["name"], "digest": {"sha256": "cd" * 32}}
        document["subject"] = [other, *([] if alone else [model]), *document["subject"][1:]]
        return json.dumps(document).encode()

    model = releases.make(tmp_path / "r", restate=restate) / NAMES.model
    if alone:
        with pytest.raises(NotVerified, match=f"digest of {NAMES.model}: expected sha256:cdcd"):
            verify(v1, model)
    else:
        assert verify(v1, model).provenance


def test_a_statement_about_a_file_that_is_not_there_is_refused(v1, releases, tmp_path):
    more = Artifact.of_bytes("more.txt", b"more")
    directory = releases.make(tmp_path / "r", subjects=lambda given: (*given, more))
    with pytest.raises(NotVerified, match=r"files of the release: expected .*more\.txt"):
        verify(v1, directory)
    assert outcomes(verify(v1, directory / NAMES.model))[10].startswith("5 of 6")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (
            lambda it: structs.replace(it, model_id="other_v1"),
            "the manifest's model: expected u2netp_mir",
        ),
        (
            lambda it: structs.replace(
                it, outputs=structs.replace(it.outputs, onnx_sha256=Sha256("00" * 32))
            ),
            "the manifest's digest of the model: expected sha256:",
        ),
        (
            lambda it: structs.replace(
                it, outputs=structs.replace(it.outputs, onnx_path="other.onnx")
            ),
            "the manifest's file name: expected u2netp_mirror_v1.onnx, actual other.onnx",
        ),
        (
            lambda it: structs.replace(
                it, upstream=structs.replace(it.upstream, license_sha256=Sha256("11" * 32))
            ),
            "digest of upstream's licence: expected sha256:1111",
        ),
        (
            lambda it: structs.replace(
                it,
                run_provenance=structs.replace(
                    it.run_provenance,
                    outputs=structs.replace(
                        it.run_provenance.outputs,
                        onnx=FileClaim.file(NAMES.model, Sha256("22" * 32)),
                    ),
                ),
            ),
            "digest of u2netp_mirror_v1.onnx: expected sha256:2222",
        ),
        (
            lambda it: structs.replace(
                it, export=structs.replace(it.export, metadata_written=False)
            ),
            "the model's metadata 'lusoris.conversion': expected None, actual torch.onnx.export",
        ),
    ],
)
def test_a_signed_manifest_that_contradicts_the_release_is_refused(
    v1, releases, tmp_path, change, reason
):
    with pytest.raises(NotVerified, match=reason):
        verify(v1, releases.make(tmp_path / "r", change=change))


def test_a_provenance_that_names_other_inputs_than_the_manifest_is_refused(v1, releases, tmp_path):
    directory = releases.make(
        tmp_path / "r", stated=lambda it: structs.replace(it, toolchain={"torch": "1.0"})
    )
    with pytest.raises(NotVerified, match="the build's inputs by the provenance: expected"):
        verify(v1, directory)


def test_a_model_with_surplus_metadata_is_refused(v1, releases, tmp_path):
    metadata = {**written_metadata(U2NETP), "zzz": "surplus"}
    with pytest.raises(NotVerified, match="the model's metadata 'zzz': expected None, actual surp"):
        verify(v1, releases.make(tmp_path / "r", metadata=metadata))


@pytest.mark.parametrize("key", ["lusoris.conversion", "lusoris.upstream_commit"])
def test_a_model_that_lacks_metadata_which_the_manifest_says_was_written_is_refused(
    v1, releases, tmp_path, key
):
    metadata = {name: value for name, value in written_metadata(U2NETP).items() if name != key}
    with pytest.raises(NotVerified, match=f"the model's metadata '{key}': .*actual None"):
        verify(v1, releases.make(tmp_path / "r", metadata=metadata))


def test_how_the_conversion_is_worded_is_no_matter_of_the_verdict(v1, releases, tmp_path):
    metadata = {**written_metadata(U2NETP), "lusoris.conversion": "told by another version"}
    assert verify(v1, releases.make(tmp_path / "r", metadata=metadata)).provenance


def test_a_signed_model_that_is_no_model_cannot_be_verified(v1, releases, tmp_path):
    with pytest.raises(CannotVerify, match="model"):
        verify(v1, releases.make(tmp_path / "r", model=b"\xff\xff\xff"))


def test_a_licence_without_its_separator_cannot_be_read(v1, releases, tmp_path, monkeypatch):
    monkeypatch.setattr("release_tool.provenance.attribution.SEPARATOR", "\n\n\x00\n\n")
    directory = releases.make(tmp_path / "r")
    monkeypatch.undo()
    with pytest.raises(CannotVerify, match="licence"):
        verify(v1, directory)


def test_another_recipe_is_named_in_the_refusal(copy):
    with pytest.raises(
        CannotVerify, match=r"holds u2netp_mirror_v1.onnx, not u2net_mirror_v1"
    ) as e:
        open_evidence(copy, U2NET)
    assert "--recipe" in str(e.value.hint)


def test_the_provenance_of_another_signer_is_refused(v1, v2, copy):
    (copy / NAMES.provenance).write_bytes(v2.state(b'{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"a","digest":{"sha256":"' + b"0" * 64 + b'"}}],"predicateType":"https://slsa.dev/provenance/v1","predicate":{}}'))  # fmt: skip  # noqa: E501
    with pytest.raises(NotVerified, match="the transparency log"):
        verify(v1, copy)


def test_a_provenance_that_signs_a_file_is_refused(v1, copy):
    shutil.copy(copy / NAMES.bundle, copy / NAMES.provenance)
    with pytest.raises(NotVerified, match="signs a file, not a statement"):
        verify(v1, copy)


def test_the_provenance_serves_as_bundle_of_the_model(v1, copy):
    verified = verify(v1, copy / NAMES.model, bundle=copy / NAMES.provenance)
    assert "bundle" not in [artifact.role for artifact in verified.artifacts]
    content = (copy / NAMES.provenance).read_bytes()
    alone = copy / "alone.onnx"
    shutil.copy(copy / NAMES.model, alone)
    assert verify(v1, alone, bundle=content).provenance.builder == v1.expected.identity


@pytest.mark.parametrize("suffix", [".sigstore.json", ".sigstore", ".bundle"])
def test_the_bundle_is_found_beside_the_model(v1, release, tmp_path, suffix):
    shutil.copy(release / NAMES.model, tmp_path / "m.onnx")
    shutil.copy(release / NAMES.bundle, tmp_path / f"m.onnx{suffix}")
    assert verify(v1, tmp_path / "m.onnx").model.name == "m.onnx"


def test_a_missing_bundle_is_said_to_be_missing(copy):
    (copy / NAMES.bundle).unlink()
    for path in (copy, copy / NAMES.model):
        with pytest.raises(CannotVerify, match="there is no bundle beside") as caught:
            open_evidence(path, U2NETP)
        assert "--bundle" in str(caught.value.hint)


@pytest.mark.parametrize("name", [NAMES.manifest, NAMES.provenance, NAMES.license])
def test_in_a_directory_every_file_is_required(copy, name):
    (copy / name).unlink()
    with pytest.raises(CannotVerify, match="lacks its"):
        open_evidence(copy, U2NETP)


def test_a_directory_with_two_models_or_none_is_refused(copy, tmp_path):
    shutil.copy(copy / NAMES.model, copy / "other.onnx")
    with pytest.raises(CannotVerify, match=r"should hold one model; it holds other.onnx, u2netp"):
        open_evidence(copy, U2NETP)
    with pytest.raises(CannotVerify, match="it holds none"):
        open_evidence(tmp_path, U2NETP)


def test_a_directory_of_too_many_files_is_refused(copy, monkeypatch):
    monkeypatch.setattr("release_tool.verify.locate.MAX_ENTRIES", 2)
    with pytest.raises(CannotVerify, match="more than 2 files"):
        open_evidence(copy, U2NETP)


def test_what_is_no_readable_file_is_refused_at_once(copy, tmp_path):
    os.mkfifo(tmp_path / "fifo.onnx")
    (tmp_path / "loop.onnx").symlink_to("loop.onnx")
    (tmp_path / "dangling.onnx").symlink_to("nowhere")
    for name in ("fifo.onnx", "loop.onnx", "dangling.onnx", "missing.onnx", "a\0b", "x" * 300):
        with pytest.raises(CannotVerify):
            open_evidence(tmp_path / name, U2NETP)
    bundle = copy / NAMES.bundle
    bundle.unlink()
    os.mkfifo(bundle)
    with pytest.raises(CannotVerify, match="not a regular file"):
        open_evidence(copy, U2NETP)
    bundle.unlink()
    bundle.symlink_to(bundle.name)
    with pytest.raises(CannotVerify, match="cannot read"):
        open_evidence(copy, U2NETP)


def test_a_directory_that_cannot_be_listed_is_refused(monkeypatch, tmp_path):
    def refuse(_self, *_):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(CannotVerify, match="cannot read"):
        open_evidence(tmp_path, U2NETP)
    monkeypatch.setattr(Path, "is_dir", refuse)
    with pytest.raises(CannotVerify, match="cannot read"):
        open_evidence(tmp_path, U2NETP)


def test_a_model_that_fails_while_it_is_read_is_refused(monkeypatch, copy):
    def fail(*_):
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(Sha256, "of_stream", fail)
    with pytest.raises(CannotVerify, match="Input/output error"):
        open_evidence(copy, U2NETP)


def test_huge_evidence_is_refused_unread(copy):
    for name in (NAMES.bundle, NAMES.manifest, NAMES.license):
        path = copy / name
        content = path.read_bytes()
        os.truncate(path, 4 * 1024**3)
        with pytest.raises(CannotVerify, match="is larger than"):
            open_evidence(copy, U2NETP)
        path.write_bytes(content)
    assert BUNDLE_LIMIT_BYTES < 4 * 1024**3


def test_an_unknown_schema_is_named(v1, releases, tmp_path, monkeypatch):
    directory = releases.make(tmp_path / "r")
    manifest = directory / NAMES.manifest
    document = json.loads(manifest.read_bytes())
    document["schema"] = "something-v9"
    content = json.dumps(document, indent=2).encode() + b"\n"
    # The statement has to name the changed manifest, so the release is signed anew around it.
    from release_tool.provenance.manifest import Manifest

    monkeypatch.setattr(Manifest, "encode", lambda _self: content)
    directory = releases.make(tmp_path / "s")
    monkeypatch.undo()
    with pytest.raises(CannotVerify, match="the manifest's schema is 'something-v9'"):
        verify(v1, directory)


def test_a_verified_release_is_installed_and_verifies_where_it_lies(v1, release, tmp_path):
    evidence = open_evidence(release, U2NETP)
    verified = verify_release(evidence, v1.expected, v1.root)
    target = tmp_path / "model"
    path = install_release(evidence, verified, target, U2NETP)
    assert path == target / NAMES.installed_model
    assert path.read_bytes() == (release / NAMES.model).read_bytes()
    assert len(list(target.iterdir())) == 6
    assert verify(v1, path).model.digest == verified.model.digest
    assert verify(v1, target).artifacts[1:] == verified.artifacts[1:]


def test_what_changed_after_the_verdict_is_not_installed(v1, copy, tmp_path):
    evidence = open_evidence(copy, U2NETP)
    verified = verify_release(evidence, v1.expected, v1.root)
    target = tmp_path / "model"
    (copy / NAMES.model).write_bytes(b"evil")
    with pytest.raises(NotVerified, match="digest of the model while installing"):
        install_release(evidence, verified, target, U2NETP)
    assert not (target / NAMES.installed_model).exists()
    assert not list(target.glob(".release-tool-*"))
    (copy / NAMES.model).unlink()
    with pytest.raises(CannotVerify):
        install_release(evidence, verified, target, U2NETP)


def test_an_older_model_stays_when_the_new_one_is_refused(v1, copy, tmp_path):
    evidence = open_evidence(copy, U2NETP)
    verified = verify_release(evidence, v1.expected, v1.root)
    (tmp_path / NAMES.installed_model).write_bytes(b"older")
    (copy / NAMES.model).write_bytes(b"evil")
    with pytest.raises(NotVerified):
        install_release(evidence, verified, tmp_path, U2NETP)
    assert (tmp_path / NAMES.installed_model).read_bytes() == b"older"


def test_sidecars_other_than_the_verified_ones_are_not_installed(v1, copy, tmp_path):
    evidence = open_evidence(copy, U2NETP)
    verified = verify_release(evidence, v1.expected, v1.root)
    assert evidence.sidecars is not None
    files = {**evidence.sidecars.files, "license": Content.of(b"other")}
    other = replace(evidence, sidecars=replace(evidence.sidecars, files=files))
    with pytest.raises(NotVerified, match="the license is not the one that was verified"):
        install_release(other, verified, tmp_path / "model", U2NETP)
    without = replace(evidence, sidecars=None)
    with pytest.raises(CannotVerify, match="only a digest"):
        install_release(without, verified, tmp_path / "model", U2NETP)
    with pytest.raises(CannotVerify, match="only a digest"):
        install_release(replace(evidence, path=None), verified, tmp_path / "model", U2NETP)


def test_bytes_in_memory_are_verified_and_installed_themselves(v1, copy, tmp_path):
    content = (copy / NAMES.model).read_bytes()
    evidence = evidence_for_bytes(content, copy / NAMES.model, U2NETP)
    (copy / NAMES.model).write_bytes(b"changed meanwhile")
    verified = verify_release(evidence, v1.expected, v1.root)
    path = install_release(evidence, verified, tmp_path / "model", U2NETP)
    assert path.read_bytes() == content


def test_metadata_of_a_digest_alone_cannot_be_read(v1, copy):
    evidence = open_evidence(copy, U2NETP)
    with pytest.raises(CannotVerify, match="only a digest was given"):
        verify_release(replace(evidence, path=None), v1.expected, v1.root)


def test_evidence_for_a_digest_is_named_by_it(v1, message_bundles):
    digest = Sha256("ab" * 32)
    evidence = evidence_for_digest(digest, message_bundles["v1"])
    assert (evidence.name, evidence.sidecars) == (str(digest), None)
    assert isinstance(evidence, Evidence)
    assert Sidecars(U2NETP).bundle_listed


def test_a_hundred_models_are_verified_in_one_process(v1, copy):
    verdicts = [verify(v1, copy / NAMES.model) for _ in range(100)]
    assert len({verdict.log_index for verdict in verdicts}) == 1


def rebuilt(**changes):
    """Change members of a statement: `build` and `details` go into its build and run details."""

    def restate(payload: bytes) -> bytes:
        document = json.loads(payload)
        document["predicate"]["buildDefinition"].update(changes.get("build", {}))
        document["predicate"].update(changes.get("predicate", {}))
        document.update(changes.get("statement", {}))
        return json.dumps(document).encode()

    return restate


@pytest.mark.parametrize(
    "changes",
    [
        {"build": {"buildType": "urn:somebody:else", "resolvedDependencies": []}},
        {"predicate": {"buildDefinition": None}},
    ],
)
def test_a_provenance_of_another_kind_is_not_held_against_the_manifest(
    v1, releases, tmp_path, changes
):
    assert verify(v1, releases.make(tmp_path / "r", restate=rebuilt(**changes))).provenance


def test_a_statement_that_is_no_provenance_does_not_speak_for_a_model(v1, releases, tmp_path):
    kind = "https://slsa.dev/verification_summary/v1"
    failed = rebuilt(statement={"predicateType": kind}, predicate={"verificationResult": "FAILED"})
    directory = releases.make(tmp_path / "r", restate=failed)
    reason = "what is stated of the file is of a kind .*; supported is its provenance, https://slsa"
    with pytest.raises(CannotVerify, match=reason):
        verify(v1, directory)
    alone = tmp_path / "alone.onnx"
    shutil.copy(directory / NAMES.model, alone)
    with pytest.raises(CannotVerify, match=reason):
        verify(v1, alone, bundle=(directory / NAMES.provenance).read_bytes())


WORKFLOW = "https://github.com/rehearsal/u2netp-mirror/.github/workflows/{}@refs/heads/main"


@pytest.mark.parametrize(
    "builder",
    [WORKFLOW.format("other.yml"), LOCAL_BUILDER, WORKFLOW.format("release.yml").upper()],
)
def test_a_builder_that_the_certificate_does_not_bear_out_is_refused(
    v1, releases, tmp_path, builder
):
    directory = releases.make(tmp_path / "r", builder=builder)
    with pytest.raises(NotVerified) as caught:
        verify(v1, directory)
    assert str(caught.value) == (
        f"the builder by the provenance: expected {v1.expected.identity}, actual {builder}"
    )
    alone = tmp_path / "alone.onnx"
    shutil.copy(directory / NAMES.model, alone)
    with pytest.raises(NotVerified, match="the builder by the provenance"):
        verify(v1, alone, bundle=(directory / NAMES.provenance).read_bytes())
    evidence = evidence_for_digest(
        Sha256.of_file(alone), (directory / NAMES.provenance).read_bytes(), U2NETP
    )
    with pytest.raises(NotVerified, match="the builder by the provenance"):
        verify_release(evidence, v1.expected, v1.root)


@pytest.mark.parametrize("details", [None, {"builder": None}, {"builder": {"id": 3}}])
def test_a_provenance_of_ours_without_a_builder_is_refused(v1, releases, tmp_path, details):
    restate = rebuilt(predicate={"runDetails": details})
    with pytest.raises(NotVerified, match="the builder by the provenance: expected https://"):
        verify(v1, releases.make(tmp_path / "r", restate=restate))


def test_a_bundle_with_two_statements_has_both_builders_checked(v1, releases, copy):
    other = releases.make(copy / "other", builder=LOCAL_BUILDER)
    with pytest.raises(NotVerified, match="the builder by the provenance"):
        verify(v1, copy / NAMES.model, bundle=other / NAMES.provenance)


def stated_by(builder: str) -> Statement:
    document = {
        "_type": STATEMENT_TYPE,
        "subject": [{"name": "a", "digest": {"sha256": "0" * 64}}],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {"buildType": BUILD_TYPE},
            "runDetails": {"builder": {"id": builder}},
        },
    }
    return Statement.parse(encode_json(document))


def test_a_reusable_workflow_may_be_named_by_itself_or_by_its_caller():
    caller, called = (WORKFLOW.format(name) for name in ("caller.yml", "called.yml"))
    claims = Claims(called, GITHUB_ISSUER, build_signer_uri=called, workflow=caller)
    for builder in (caller, called):
        check_builder(stated_by(builder), claims)
    with pytest.raises(NotVerified, match=r"expected .*caller.yml"):
        check_builder(stated_by(WORKFLOW.format("other.yml")), claims)


def test_who_signs_elsewhere_may_not_name_a_workflow_as_builder():
    somebody = Claims("somebody@example.com", "https://accounts.example.com")
    check_builder(stated_by(LOCAL_BUILDER), somebody)
    with pytest.raises(
        NotVerified, match="expected urn:release-tool:builder:local, actual https://github"
    ):
        check_builder(stated_by(WORKFLOW.format("release.yml")), somebody)
    pipeline = replace(somebody, workflow="https://ci.example.com/.github/workflows/a.yml@main")
    check_builder(stated_by(str(pipeline.workflow)), pipeline)


def test_a_licence_that_is_not_at_hand_is_not_checked(v1, copy):
    (copy / NAMES.license).unlink()
    assert outcomes(verify(v1, copy / NAMES.model))[11] == "the manifest is about this model"


def test_a_file_that_cannot_be_looked_for_is_refused():
    with pytest.raises(CannotVerify, match="cannot read"):
        exists(Path("a\0b"))


NOTHING = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)


class Silence(io.RawIOBase):
    """A file opened not to wait that has nothing to give, such as the kernel's messages."""

    def fileno(self) -> int:
        return NOTHING

    def readable(self) -> bool:
        return True

    def readinto(self, _buffer) -> None:
        return None


class Endless(Silence):
    """A file that never ends."""

    def readinto(self, buffer) -> int:  # type: ignore[override]
        return len(buffer)


def test_a_file_that_gives_nothing_and_does_not_end_is_refused(monkeypatch, copy):
    opened = "release_tool.verify.locate.open_regular"
    monkeypatch.setattr(opened, lambda _: io.BufferedReader(Silence()))
    with pytest.raises(CannotVerify, match=r"cannot read .*gives no bytes"):
        open_evidence(copy, U2NETP)
    monkeypatch.setattr(
        "release_tool.core.files.open_regular", lambda _: io.BufferedReader(Silence())
    )
    with pytest.raises(CannotVerify, match=r"cannot read .*gives no bytes"):
        read_evidence(copy / NAMES.bundle, 100)


def test_a_model_without_end_is_refused(monkeypatch, copy):
    opened = "release_tool.verify.locate.open_regular"
    monkeypatch.setattr(opened, lambda _: io.BufferedReader(Endless()))
    monkeypatch.setattr("release_tool.verify.locate.MODEL_LIMIT_BYTES", 10_000_000)
    with pytest.raises(CannotVerify, match="is larger than 10000000 bytes"):
        open_evidence(copy, U2NETP)
    monkeypatch.setattr(
        "release_tool.core.files.open_regular", lambda _: io.BufferedReader(Endless())
    )
    with pytest.raises(CannotVerify, match="is larger than 100 bytes"):
        read_evidence(copy / NAMES.bundle, 100)


def test_what_an_older_install_left_behind_does_not_spoil_the_new_one(
    v1, releases, release, tmp_path
):
    def claim(manifest):
        return structs.replace(
            manifest, upstream=structs.replace(manifest.upstream, notice_present=True)
        )

    target = tmp_path / "model"
    for directory in (
        releases.make(tmp_path / "older", seed="older", notice=b"Notice", change=claim),
        release,
    ):
        evidence = open_evidence(directory, U2NETP)
        verified = verify_release(evidence, v1.expected, v1.root)
        path = install_release(evidence, verified, target, U2NETP)
        assert verify(v1, path).model.digest == verified.model.digest
    assert not (target / NAMES.notice).exists()
    assert verify(v1, target)


def test_a_model_installed_alone_is_not_beside_an_older_ones_files(
    v1, other_release, copy, tmp_path
):
    evidence = open_evidence(other_release, U2NETP)
    target = tmp_path / "model"
    verified = verify_release(evidence, v1.expected, v1.root)
    install_release(evidence, verified, target, U2NETP)
    (target / "notes.txt").write_text("somebody's own")
    for name in (NAMES.manifest, NAMES.provenance, NAMES.license):
        (copy / name).unlink()
    alone = open_evidence(copy / NAMES.model, U2NETP)
    verified = verify_release(alone, v1.expected, v1.root)
    path = install_release(alone, verified, target, U2NETP)
    assert {entry.name for entry in target.iterdir()} == {path.name, "notes.txt"}


def test_installing_where_the_release_lies_removes_none_of_its_files(v1, copy):
    (copy / NAMES.provenance).unlink()
    evidence = open_evidence(copy / NAMES.model, U2NETP)
    verified = verify_release(evidence, v1.expected, v1.root)
    install_release(evidence, verified, copy, U2NETP)
    assert (copy / NAMES.license).exists()


def test_a_verdict_says_what_it_does_not_cover(v1, copy):
    assert verify(v1, copy).not_covered == ()
    (copy / NAMES.manifest).unlink()
    verified = verify(v1, copy / NAMES.model)
    assert verified.not_covered == ("manifest",)
    assert verified.to_json()["not_covered"] == ["manifest"]
