"""Where the recipe decides whom to believe it decides also what; a signature says only who."""

import base64
import io
import itertools
import json
import shutil
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path

import jsonschema
import pytest
from msgspec import structs

from release_tool.cli.judge.judging import Judge
from release_tool.core.digest import Sha256
from release_tool.core.errors import CannotVerify, NotVerified
from release_tool.core.names import CommitId, RepoSlug
from release_tool.provenance.manifest import AdapterClaim, Manifest
from release_tool.provenance.pins import departures
from release_tool.recipes.metadata import make_metadata, pinned_metadata
from release_tool.recipes.network import NetworkCall
from release_tool.recipes.recipe import Publisher, Recipe
from release_tool.recipes.toml.writing import write_recipe
from release_tool.recipes.u2netp import U2NETP
from release_tool.sigstore.trust.signer import GITHUB_ISSUER
from release_tool.verify.demands import Demands
from release_tool.verify.evidence import evidence_for_digest, open_evidence
from release_tool.verify.model import verify_model
from release_tool.verify.verdict import verify_release
from tests.conftest import Run
from tests.examples import digest, example_manifest
from tests.verify.conftest import LICENSE, ReleaseMaker, Signer, make_model

NAMES = U2NETP.names
SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "verdict.schema.json").read_text())


def make_wheel() -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        archive.writestr("package/__init__.py", "")
    return content.getvalue()


OTHER_FILES = {"wheel": make_wheel(), "five bytes": b"hello", "empty graph": b"\x08\x08\x3a\x00"}


def pin_example() -> Recipe:
    """Pin what the example's manifest claims, and believe who signs here."""
    claims = example_manifest().upstream
    return replace(
        U2NETP,
        upstream=replace(
            U2NETP.upstream,
            repo=claims.repo,
            commit=claims.commit,
            modules=tuple(claims.modules.items()),
        ),
        license=replace(U2NETP.license, sha256=Sha256.of_bytes(LICENSE)),
        checkpoint=replace(
            U2NETP.checkpoint, path=claims.checkpoint_path, sha256=claims.checkpoint_sha256
        ),
        network=NetworkCall("model.net:Net"),
        skeletons=(("torch 2.13.0", example_manifest().outputs.skeleton_sha256),),
        publisher=Publisher(
            RepoSlug.parse("rehearsal/u2netp-mirror"),
            "release.yml",
            ("refs/heads/main",),
            GITHUB_ISSUER,
        ),
    )


PINNED = pin_example()
WRITTEN = make_metadata(PINNED, PINNED.checkpoint.sha256)


@dataclass(frozen=True)
class Reader:
    """A consumer who names nobody: the recipe decides."""

    run: Run
    signer: Signer
    place: Path

    def believing(self, recipe: Recipe = PINNED) -> list[str]:
        root, file = self.place / "root.json", self.place / "recipe.toml"
        root.write_bytes(self.signer.stack.trusted_root)
        file.write_text(write_recipe(recipe))
        return ["--trusted-root", str(root), "--recipe", str(file)]

    def verify(self, *arguments: str | Path, recipe: Recipe = PINNED):
        return self.run("verify", *arguments, *self.believing(recipe))

    def by_hand(self, *arguments: str | Path):
        """Name the signer alone: then the release of any recipe is judged, by its own."""
        root = self.place / "root.json"
        root.write_bytes(self.signer.stack.trusted_root)
        who = ["--repo", "rehearsal/u2netp-mirror", "--trusted-root", str(root)]
        return self.run("verify", *arguments, *who)


@pytest.fixture
def reader(run: Run, v1: Signer, tmp_path: Path) -> Reader:
    return Reader(run, v1, tmp_path)


@pytest.fixture(scope="session")
def releases(v1: Signer) -> ReleaseMaker:
    return ReleaseMaker(v1, PINNED)


@pytest.fixture(scope="session")
def pinned(releases: ReleaseMaker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A release of what `PINNED` pins."""
    return releases.make(tmp_path_factory.mktemp("pinned"))


@pytest.fixture
def alone(pinned: Path, tmp_path: Path) -> Path:
    """The model with nothing but its bundle beside it."""
    for name in (NAMES.model, NAMES.bundle):
        shutil.copy(pinned / name, tmp_path / name)
    return tmp_path / NAMES.model


def sign(signer: Signer, path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    path.with_name(f"{path.name}.sigstore.json").write_bytes(signer.sign(content))
    return path


def test_a_model_with_its_bundle_alone_is_verified_and_said_to_be_signed_only(reader, alone):
    result = reader.verify(alone)
    assert result.code == 0, result.err
    assert "signature only: it vouches for these bytes" in result.out
    document = reader.verify(alone, "--json").document
    assert document["signature_only"] is True
    assert "names itself u2netp_mirror_v1" in document["steps"][-1]["outcome"]
    jsonschema.validate(document, SCHEMA)


def test_a_pinned_release_is_verified_and_more_than_a_signature(reader, pinned):
    result = reader.verify(pinned, "--json")
    assert result.code == 0, result.err
    assert result.document["signature_only"] is False
    assert "signature only" not in reader.verify(pinned).out


@pytest.mark.parametrize("kind", OTHER_FILES)
def test_any_other_file_that_the_same_workflow_signed_is_no_model(reader, v1, tmp_path, kind):
    path = sign(v1, tmp_path / "model.onnx", OTHER_FILES[kind])
    result = reader.verify(path)
    assert result.code == 8
    assert "--repo" in result.err
    by_hand = reader.by_hand(path)
    assert by_hand.code == 0, by_hand.err
    assert "signature only: it vouches for these bytes" in by_hand.out
    assert reader.by_hand(path, "--json").document["signature_only"] is True


@pytest.mark.parametrize("kind", OTHER_FILES)
def test_a_file_beside_a_release_takes_no_part_in_its_being_a_model(
    reader, v1, pinned, tmp_path, kind
):
    """Not even beside the manifest and the licence of a release that holds."""
    copy = Path(shutil.copytree(pinned, tmp_path / "release"))
    sign(v1, copy / NAMES.model, OTHER_FILES[kind])
    (copy / NAMES.provenance).unlink()
    assert reader.verify(copy / NAMES.model).code == 8


@pytest.mark.parametrize("key", pinned_metadata(PINNED))
@pytest.mark.parametrize("value", [None, "another"])
def test_a_model_that_names_another_origin_is_refused(reader, v1, tmp_path, key, value):
    metadata = {**WRITTEN, key: value} if value else {k: WRITTEN[k] for k in WRITTEN if k != key}
    path = sign(v1, tmp_path / "model.onnx", make_model("one", metadata))
    result = reader.verify(path)
    assert result.code == 8
    assert f"the model's metadata {key}: expected" in result.err
    assert "as the recipe u2netp pins it" in result.err
    assert reader.by_hand(path).code == 0


def test_by_default_the_python_api_demands_the_recipes_model_too(v1, alone, tmp_path):
    model = verify_model(alone, trusted_root=v1.root, recipe=PINNED)
    assert model.release.signature_only
    text = sign(v1, tmp_path / "text.onnx", b"hello")
    with pytest.raises(NotVerified, match="no model of the recipe u2netp"):
        verify_model(text, trusted_root=v1.root, recipe=PINNED)
    with pytest.raises(NotVerified, match="no model of the recipe u2netp"):
        verify_model(text, trusted_root=v1.root, recipe=PINNED, signer=v1.expected)
    assert verify_model(text, trusted_root=v1.root, signer=v1.expected)


def other(**changes):
    """Depart from the pins in one claim."""
    return lambda manifest: structs.replace(
        manifest, upstream=structs.replace(manifest.upstream, **changes)
    )


DEPARTURES = {
    "upstream.repo": other(repo="https://example.org/other"),
    "upstream.commit": other(commit=CommitId("cd" * 20)),
    "upstream.module_path": other(module_path="model/other.py"),
    "upstream.module_sha256": other(module_sha256=digest("other")),
    "upstream.modules": other(modules={"model/net.py": digest("module"), "b.py": digest("b")}),
    "upstream.adapter": other(adapter=AdapterClaim(path="a.py", sha256=digest("a"), call="A")),
    "upstream.checkpoint_path": other(checkpoint_path="other.pth"),
    "upstream.checkpoint_sha256": other(checkpoint_sha256=digest("other")),
    "upstream.license_path": other(license_path="COPYING"),
    "license.spdx": lambda manifest: structs.replace(
        manifest, license=structs.replace(manifest.license, spdx="MIT")
    ),
    "outputs.skeleton_sha256": lambda manifest: structs.replace(
        manifest, outputs=structs.replace(manifest.outputs, skeleton_sha256=digest("other"))
    ),
}

NAMED_BY_THE_MODEL = [
    "license.spdx",
    "upstream.repo",
    "upstream.commit",
    "upstream.checkpoint_sha256",
]
"""What the model's own metadata says too: there the manifest contradicts it."""


@pytest.mark.parametrize("claim", DEPARTURES)
def test_each_departure_of_a_manifest_is_named_with_both_values(claim):
    upstream = other(license_sha256=PINNED.license.sha256)
    manifest = structs.replace(upstream(example_manifest()), model_id=PINNED.model_id)
    assert departures(manifest, PINNED) == ()
    [found] = departures(DEPARTURES[claim](manifest), PINNED)
    assert found.claim == claim
    assert found.pinned != found.claimed


@pytest.mark.parametrize("claim", NAMED_BY_THE_MODEL)
def test_a_manifest_that_names_another_origin_than_its_model_is_refused_by_everybody(
    reader, releases, tmp_path, claim
):
    change = DEPARTURES[claim]
    made = releases.make(tmp_path / "r", change=change, stated=change)
    for verify in (reader.verify, reader.by_hand):
        result = verify(made)
        assert result.code == 8
        assert "as the manifest says" in result.err


@pytest.mark.parametrize("claim", [each for each in DEPARTURES if each not in NAMED_BY_THE_MODEL])
def test_a_signed_manifest_that_claims_what_is_not_pinned_is_refused(
    reader, releases, tmp_path, claim
):
    change = DEPARTURES[claim]
    made = releases.make(tmp_path / "r", change=change, stated=change)
    for path in (made, made / NAMES.model):
        result = reader.verify(path)
        assert result.code == 8
        assert claim in result.err
        assert "the recipe pins" in result.err
        by_hand = reader.by_hand(path)
        assert by_hand.code == 0
        assert f"{claim}: not what the recipe pins" in by_hand.out


def test_a_manifest_of_another_licence_is_refused(reader, pinned):
    license_pin = replace(PINNED.license, sha256=digest("another licence"))
    result = reader.verify(pinned, recipe=replace(PINNED, license=license_pin))
    assert result.code == 8
    assert "upstream.license_sha256" in result.err


def test_the_skeleton_of_a_toolchain_that_is_not_pinned_is_not_held_against_another(reader, pinned):
    skeletons = (("torch 9.9.9", digest("other")),)
    assert reader.verify(pinned, recipe=replace(PINNED, skeletons=skeletons)).code == 0


@pytest.mark.parametrize("whole", [True, False])
def test_a_provenance_without_its_manifest_is_held_against_the_pins_too(
    reader, releases, tmp_path, whole
):
    change = DEPARTURES["upstream.commit"]
    made = releases.make(tmp_path / "r", change=change, stated=change)
    (made / NAMES.manifest).unlink()
    if not whole:
        (made / NAMES.provenance).rename(made / NAMES.bundle)
    result = reader.verify(made / NAMES.model)
    assert result.code == 8
    assert "upstream.commit is cdcd" in result.err


@pytest.mark.parametrize("beside", [True, False])
def test_a_release_that_is_marked_is_refused_without_its_manifest_too(
    reader, releases, tmp_path, beside
):
    """Whoever hands the files on may leave the manifest out, which alone has the skeleton."""

    def mark(manifest: Manifest) -> Manifest:
        marked: Manifest = structs.replace(manifest, unpinned=("outputs.skeleton_sha256",))
        return marked

    made = releases.make(tmp_path / "r", change=mark, stated=mark)
    (made / NAMES.manifest).unlink()
    if not beside:
        (made / NAMES.provenance).rename(made / NAMES.bundle)
    refused = reader.verify(made / NAMES.model)
    assert refused.code == 8
    assert "its provenance calls outputs.skeleton_sha256 unpinned" in refused.err
    by_hand = reader.by_hand(made / NAMES.model, "--json")
    assert by_hand.document["unpinned"] == ["outputs.skeleton_sha256"]


def test_a_digest_is_believed_by_the_recipe_only_through_a_provenance(v1, pinned, reader):
    model = Sha256.of_file(pinned / NAMES.model)
    demands = Demands(recipe=PINNED)
    stated = evidence_for_digest(model, (pinned / NAMES.provenance).read_bytes(), PINNED)
    verified = verify_release(stated, v1.expected, v1.root, demands)
    assert [file.role for file in verified.artifacts] == ["model", "provenance"]
    assert verified.not_covered == ("manifest",)
    signed = evidence_for_digest(model, (pinned / NAMES.bundle).read_bytes(), PINNED)
    with pytest.raises(CannotVerify, match="a digest alone does not tell"):
        verify_release(signed, v1.expected, v1.root, demands)
    bundle = ["--bundle", pinned / NAMES.bundle]
    assert reader.verify(str(model), *bundle).code == 9
    assert reader.by_hand(str(model), *bundle).code == 0
    moved = replace(PINNED, upstream=replace(PINNED.upstream, commit=CommitId("cd" * 20)))
    with pytest.raises(NotVerified, match=r"upstream\.commit is ab"):
        verify_release(stated, v1.expected, v1.root, Demands(recipe=moved))


def test_provenance_can_be_required(reader, pinned, alone, v1, tmp_path):
    for verify in (reader.verify, reader.by_hand):
        missing = verify(alone, "--require", "provenance")
        assert missing.code == 9
        assert "there is no provenance" in missing.err
        for path in (pinned, pinned / NAMES.model):
            assert verify(path, "--require", "provenance").code == 0
    shutil.copy(pinned / NAMES.provenance, alone.with_name(NAMES.provenance))
    assert reader.verify(alone, "--require", "provenance").code == 0
    other = v1.sign(alone.read_bytes())
    (alone.with_name(NAMES.bundle)).write_bytes(other)
    assert reader.verify(alone, "--require", "provenance").code == 8


def test_a_foreign_builder_is_reported_as_unchecked(reader, v1, alone):
    statement = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": "w", "digest": {"sha256": Sha256.of_file(alone).hex}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {"runDetails": {"builder": {"id": "https://example.org/anybody"}}},
    }
    bundle = alone.with_name("stated.json")
    bundle.write_bytes(v1.state(json.dumps(statement).encode()))
    document = reader.by_hand(alone, "--bundle", bundle, "--json").document
    said = document["provenance"]
    assert (said["builder"], said["builder_certified"]) == ("https://example.org/anybody", False)
    assert document["not_covered"] == ["manifest"]
    assert [item["role"] for item in document["artifacts"]] == ["model", "provenance"]
    jsonschema.validate(document, SCHEMA)
    rows = reader.by_hand(alone, "--bundle", bundle).out
    assert "https://example.org/anybody (unchecked: the statement alone says so)" in rows
    statement["predicate"] = {"runDetails": {"builder": {"id": v1.expected.identity}}}
    bundle.write_bytes(v1.state(json.dumps(statement).encode()))
    document = reader.by_hand(alone, "--bundle", bundle, "--json").document
    assert document["provenance"]["builder_certified"] is True
    assert "unchecked" not in reader.by_hand(alone, "--bundle", bundle).out


def test_the_builder_of_a_release_is_certified(reader, pinned):
    said = reader.verify(pinned, "--json").document["provenance"]
    assert said["builder_certified"] is True


def test_two_statements_on_one_model_are_both_held_against_the_files(
    v1, pinned, releases, tmp_path
):
    """The provenance of another release as the model's bundle names another manifest."""

    def change(manifest: Manifest) -> Manifest:
        return structs.replace(manifest, toolchain={"torch": "2.13.1"})

    other = releases.make(tmp_path / "other", change=change, stated=change)
    evidence = open_evidence(pinned / NAMES.model, PINNED, bundle=other / NAMES.provenance)
    with pytest.raises(NotVerified, match=f"digest of {NAMES.manifest}"):
        verify_release(evidence, v1.expected, v1.root)


def test_a_stripped_copy_of_the_provenance_as_the_models_bundle_is_refused(v1, pinned, tmp_path):
    copy = Path(shutil.copytree(pinned, tmp_path / "release"))
    document = json.loads((copy / NAMES.provenance).read_bytes())
    (tmp_path / "whole.json").write_text(json.dumps(document))
    document["verificationMaterial"].pop("timestampVerificationData")
    (copy / NAMES.provenance).write_text(json.dumps(document))
    evidence = open_evidence(copy / NAMES.model, PINNED, bundle=tmp_path / "whole.json")
    with pytest.raises(NotVerified, match="who dates the provenance"):
        verify_release(evidence, v1.expected, v1.root)


@pytest.mark.parametrize("first", ["model alone", "whole release"])
@pytest.mark.parametrize("changed", [True, False])
def test_of_several_bundles_one_that_says_no_to_a_file_beside_the_model_is_heard(
    v1, pinned, tmp_path, first, changed
):
    """A signature of the model alone must not hide that the manifest was changed."""
    copy = Path(shutil.copytree(pinned, tmp_path / "release"))
    provenance = (copy / NAMES.provenance).read_bytes()
    (copy / NAMES.provenance).unlink()
    bundles = [(copy / NAMES.bundle).read_bytes(), provenance]
    if first == "whole release":
        bundles.reverse()
    if changed:
        (copy / NAMES.manifest).write_bytes(b"{}")
    judge = Judge(PINNED, v1.expected, v1.root, Demands(), lambda *_: tuple(bundles))
    outcome = judge.outcome(str(copy / NAMES.model))
    if changed:
        assert isinstance(outcome.refusal, NotVerified)
        assert f"digest of {NAMES.manifest}" in outcome.refusal.message
    else:
        assert outcome.verified is not None
        assert outcome.verified.not_covered == ()


def test_the_bundle_of_a_stranger_says_nothing_about_the_files(v1, v2, pinned):
    payload = json.loads((pinned / NAMES.provenance).read_bytes())["dsseEnvelope"]["payload"]
    strange = v2.state(base64.b64decode(payload))
    bundles = (strange, (pinned / NAMES.bundle).read_bytes())
    judge = Judge(PINNED, v1.expected, v1.root, Demands(), lambda *_: bundles)
    assert judge.outcome(str(pinned / NAMES.model)).verified is not None


@pytest.fixture(scope="session")
def another(releases: ReleaseMaker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another model of the same pins, by the same signer: an earlier release, say."""
    return releases.make(tmp_path_factory.mktemp("another"), seed="two")


SWAPPED = (NAMES.model, NAMES.bundle, NAMES.manifest, NAMES.provenance)
MIXTURES = [mixture for count in (1, 2, 3) for mixture in itertools.combinations(SWAPPED, count)]


@pytest.mark.parametrize("mixture", MIXTURES, ids="+".join)
@pytest.mark.parametrize("without", [None, NAMES.provenance, NAMES.bundle])
def test_no_mixture_of_two_releases_is_verified_beyond_the_model_itself(
    v1, pinned, another, tmp_path, mixture, without
):
    copy = Path(shutil.copytree(pinned, tmp_path / "release"))
    for name in mixture:
        shutil.copy(another / name, copy / name)
    if without is not None:
        (copy / without).unlink()
    demands = Demands(recipe=PINNED)

    def judge(path: Path):
        try:
            return verify_release(open_evidence(path, PINNED), v1.expected, v1.root, demands)
        except (NotVerified, CannotVerify):
            return None

    assert judge(copy) is None
    alone = judge(copy / NAMES.model)
    if alone is not None:
        assert without == NAMES.provenance
        assert [file.role for file in alone.artifacts] == ["model"]
        assert alone.signature_only
        assert alone.provenance is None
