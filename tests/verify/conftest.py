"""Real signatures by the rehearsal's Sigstore, and a release that is small but complete."""

import json
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace
from sigstore import dsse
from sigstore.hashes import Hashed
from sigstore.models import ClientTrustConfig
from sigstore.oidc import IdentityToken
from sigstore.sign import SigningContext
from sigstore_models.common.v1 import HashAlgorithm

from release_tool.core.artifact import Artifact
from release_tool.core.digest import Sha256
from release_tool.core.names import RepoSlug
from release_tool.provenance.attribution import make_attribution
from release_tool.provenance.manifest import FileClaim, Manifest
from release_tool.provenance.pins import claimed_recipe
from release_tool.provenance.statement import Builder, Statement, make_statement
from release_tool.recipes import layout
from release_tool.recipes.metadata import make_metadata
from release_tool.recipes.recipe import Recipe
from release_tool.recipes.toml.writing import write_recipe
from release_tool.recipes.u2netp import U2NETP
from release_tool.rehearsal.stack import SigstoreStack, start_sigstore
from release_tool.sigstore.trust.instance import TrustedRoot
from release_tool.sigstore.trust.signer import ExpectedSigner
from release_tool.verify.evidence import evidence_for_digest
from release_tool.verify.release import VerifiedRelease
from release_tool.verify.verdict import verify_release
from tests.examples import digest, example_manifest

CONTENT = b"not really a model, but signed like one"
LICENSE = b"A licence text.\n\nNot the Apache License.\n"


class Payload(dsse.Statement):
    """A statement's bytes as they are; sigstore-python would take fewer than in-toto allows."""

    def __init__(self, contents: bytes) -> None:
        self._contents = contents


@dataclass(frozen=True)
class Signer:
    """Signs with sigstore-python against one rehearsal Sigstore, with one short-lived key."""

    stack: SigstoreStack

    def context(self, **claims: Any) -> Any:
        config = ClientTrustConfig.from_json(self.stack.trust_config.decode())
        context = SigningContext.from_trust_config(config)
        return context.signer(IdentityToken(self.stack.make_identity_token(**claims)))

    def sign(self, content: bytes | Sha256, **claims: Any) -> bytes:
        """Sign a file, given as its bytes or its digest; returns the bundle."""
        signed = content if isinstance(content, Sha256) else Sha256.of_bytes(content)
        digest = Hashed(algorithm=HashAlgorithm.SHA2_256, digest=bytes.fromhex(signed.hex))
        with self.context(**claims) as signer:
            bundle: str = signer.sign_artifact(digest).to_json()
        return bundle.encode()

    def state(self, payload: bytes, **claims: Any) -> bytes:
        """Sign a statement's bytes; returns the bundle."""
        with self.context(**claims) as signer:
            bundle: str = signer.sign_dsse(Payload(payload)).to_json()
        return bundle.encode()

    @property
    def root(self) -> TrustedRoot:
        return TrustedRoot(self.stack.trusted_root, "rehearsal")

    @property
    def expected(self) -> ExpectedSigner:
        repo = RepoSlug.parse("rehearsal/u2netp-mirror")
        return ExpectedSigner.of_workflow(repo)

    def verify(
        self,
        bundle: bytes,
        content: bytes = CONTENT,
        *,
        root: TrustedRoot | None = None,
        expected: ExpectedSigner | None = None,
    ) -> VerifiedRelease:
        """Take the verdict on `content` by its digest."""
        evidence = evidence_for_digest(Sha256.of_bytes(content), bundle)
        return verify_release(evidence, expected or self.expected, root or self.root)


@pytest.fixture(scope="session", autouse=True)
def _direct() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("NO_PROXY", "127.0.0.1")
        yield


@pytest.fixture(scope="session")
def v1(sigstore: SigstoreStack) -> Signer:
    return Signer(sigstore)


@pytest.fixture(scope="session")
def v2() -> Iterator[Signer]:
    with start_sigstore(rekor="v2") as stack:
        yield Signer(stack)


@pytest.fixture(scope="session", params=["v1", "v2"])
def signer(request: pytest.FixtureRequest) -> Signer:
    chosen: Signer = request.getfixturevalue(request.param)
    return chosen


def state_subject(content: bytes, name: str = "model.onnx") -> bytes:
    document = {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": name, "digest": {"sha256": Sha256.of_bytes(content).hex}}],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {"runDetails": {"builder": {"id": "somebody"}}},
    }
    return json.dumps(document).encode()


@pytest.fixture(scope="session")
def content() -> bytes:
    return CONTENT


@pytest.fixture(scope="session")
def message_bundles(v1: Signer, v2: Signer) -> dict[str, bytes]:
    return {"v1": v1.sign(CONTENT), "v2": v2.sign(CONTENT)}


@pytest.fixture(scope="session")
def statement_bundles(v1: Signer, v2: Signer) -> dict[str, bytes]:
    payload = state_subject(CONTENT)
    return {"v1": v1.state(payload), "v2": v2.state(payload)}


def wire(number: int, content: bytes) -> bytes:
    """Encode a length-delimited protobuf field of fewer than 128 bytes, or some more."""
    length = len(content)
    size = bytes([length]) if length < 128 else bytes([length & 0x7F | 0x80, length >> 7])
    return bytes([number << 3 | 2]) + size + content


def make_model(seed: str, metadata: dict[str, str]) -> bytes:
    """Encode an ONNX ModelProto with an IR version, a producer and metadata."""
    entries = (
        wire(14, wire(1, key.encode()) + wire(2, value.encode())) for key, value in metadata.items()
    )
    return b"\x08\x08" + wire(2, seed.encode()) + b"".join(entries)


def make_manifest(recipe: Recipe, model: bytes, license_asset: bytes) -> Manifest:
    """State an export that never happened, of these files."""
    names, example = recipe.names, example_manifest()
    made = Sha256.of_bytes(model)
    contract = replace(example.gates.contract, size_bytes=len(model))
    outputs = replace(
        example.run_provenance.outputs,
        onnx=FileClaim.file(names.model, made),
        license=FileClaim.file(names.license, Sha256.of_bytes(license_asset)),
        notice=FileClaim.file(names.notice, None),
        manifest=FileClaim.file(names.manifest, None),
    )
    return replace(
        example,
        schema=recipe.formats.manifest_schema,
        model_id=recipe.model_id,
        upstream=replace(
            example.upstream, license_sha256=Sha256.of_bytes(LICENSE), notice_present=False
        ),
        outputs=replace(example.outputs, onnx_path=names.model, onnx_sha256=made),
        gates=replace(example.gates, contract=contract),
        run_provenance=replace(example.run_provenance, outputs=outputs),
    )


def written_metadata(recipe: Recipe) -> dict[str, str]:
    """Say of a model what the example's manifest claims."""
    claimed = claimed_recipe(replace(example_manifest(), model_id=recipe.model_id), recipe)
    return make_metadata(claimed, claimed.checkpoint.sha256)


Change = Callable[[Manifest], Manifest]


@dataclass(frozen=True)
class ReleaseMaker:
    """Makes signed releases; each argument departs from a good one."""

    signer: Signer
    recipe: Recipe = U2NETP

    def make(
        self,
        directory: Path,
        seed: str = "one",
        *,
        change: Change = lambda manifest: manifest,
        metadata: dict[str, str] | None = None,
        license_text: bytes = LICENSE,
        notice: bytes | None = None,
        subjects: Callable[[tuple[Artifact, ...]], tuple[Artifact, ...]] = lambda given: given,
        stated: Change = lambda manifest: manifest,
        model: bytes | None = None,
        restate: Callable[[bytes], bytes] = lambda payload: payload,
        builder: str = "",
    ) -> Path:
        """Write a release's files into a directory under the recipe's names."""
        recipe, names = self.recipe, self.recipe.names
        if model is None:
            model = make_model(seed, written_metadata(recipe) if metadata is None else metadata)
        licence = make_attribution(
            recipe, digest("checkpoint"), license_text, notice=notice is not None
        )
        manifest = change(make_manifest(recipe, model, licence))
        files = {
            names.model: model,
            names.bundle: self.signer.sign(model),
            names.manifest: manifest.encode(),
            layout.RECIPE.name_in(names): write_recipe(recipe).encode(),
            names.license: licence,
        }
        if notice is not None:
            files[names.notice] = notice
        artifacts = tuple(Artifact.of_bytes(name, content) for name, content in files.items())
        statement: Statement = make_statement(
            subjects(artifacts),
            stated(manifest),
            Builder(builder or self.signer.expected.identity),
            defaultdict(lambda: "another", layout.file_roles(names)),
        )
        files[names.provenance] = self.signer.state(restate(statement.payload))
        directory.mkdir(parents=True, exist_ok=True)
        for name, content in files.items():
            (directory / name).write_bytes(content)
        return directory


@pytest.fixture(scope="session")
def releases(v1: Signer) -> ReleaseMaker:
    return ReleaseMaker(v1)


@pytest.fixture(scope="session")
def release(releases: ReleaseMaker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a good release; tests copy it before they damage it."""
    return releases.make(tmp_path_factory.mktemp("release"))


@pytest.fixture(scope="session")
def other_release(releases: ReleaseMaker, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give another good release by the same signer."""
    return releases.make(tmp_path_factory.mktemp("other"), seed="two")


@pytest.fixture(scope="session")
def hours() -> Callable[[float], datetime]:
    """Give moments relative to now."""
    return lambda count: datetime.now(UTC) + timedelta(hours=count)
