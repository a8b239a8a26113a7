"""The provenance statement: in-toto Statement v1 with a SLSA v1 predicate.

Makes and reads the bytes that get signed; signing them is another stage's task.
https://in-toto.io/Statement/v1, https://slsa.dev/spec/v1.0/provenance
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from release_tool.core.artifact import Artifact
from release_tool.core.digest import Sha256
from release_tool.core.documents import JsonObject, encode_json, parse_json_object
from release_tool.core.errors import InputError
from release_tool.provenance.manifest import Manifest

STATEMENT_TYPE = "https://in-toto.io/Statement/v1"
READABLE_TYPES = (STATEMENT_TYPE, "https://in-toto.io/Statement/v0.1")
"""What is read: also the version before, whose subjects say the same; cosign still writes it."""

PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:release-tool:export:v1"
LOCAL_BUILDER = "urn:release-tool:builder:local"
PAYLOAD_TYPE = "application/vnd.in-toto+json"
MAX_SUBJECTS = 1024


@dataclass(frozen=True, slots=True)
class Subject:
    """What a statement is about: a name and a digest."""

    name: str
    digest: Sha256


@dataclass(frozen=True, slots=True)
class Builder:
    """Who ran the build: a workflow's identity and the address of the run, or a local machine."""

    id: str
    invocation: str | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Name the GitHub workflow where Actions runs us, else a local builder.

        https://docs.github.com/en/actions/reference/workflows-and-actions/variables
        """
        workflow = environment.get("GITHUB_WORKFLOW_REF")
        if environment.get("GITHUB_ACTIONS") != "true" or not workflow:
            return cls(LOCAL_BUILDER)
        server = environment.get("GITHUB_SERVER_URL", "https://github.com")
        run = (
            f"{server}/{environment.get('GITHUB_REPOSITORY', '')}/actions/runs/"
            f"{environment.get('GITHUB_RUN_ID', '')}"
            f"/attempts/{environment.get('GITHUB_RUN_ATTEMPT', '1')}"
        )
        return cls(f"{server}/{workflow}", run)


@dataclass(frozen=True, slots=True)
class Statement:
    """The bytes that are signed, and what they say; the bytes are never made again from it."""

    payload: bytes
    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: JsonObject

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Read an in-toto Statement whose subjects carry SHA-256 digests; raises `InputError`.

        The subjects of one statement have different names.
        """
        document = parse_json_object(payload, "the statement")
        if document.get("_type") not in READABLE_TYPES:
            raise InputError(f"the statement's type is {str(document.get('_type'))[:80]!r}")
        predicate_type, predicate = document.get("predicateType"), document.get("predicate")
        if not isinstance(predicate_type, str) or not isinstance(predicate, dict):
            raise InputError("the statement has no predicate")
        subjects = parse_subjects(document.get("subject"))
        return cls(payload, subjects, predicate_type, predicate)


def parse_subjects(value: Any) -> tuple[Subject, ...]:
    """Read a statement's subjects, each with a name of its own and a SHA-256 digest."""
    if not isinstance(value, list) or not 0 < len(value) <= MAX_SUBJECTS:
        raise InputError(f"the statement has no subjects, or more than {MAX_SUBJECTS}")
    subjects = tuple(parse_subject(item) for item in value)
    if len({subject.name for subject in subjects}) != len(subjects):
        raise InputError("two subjects of the statement have one name")
    return subjects


def parse_subject(value: Any) -> Subject:
    """Read one subject (in-toto ResourceDescriptor)."""
    digests = value.get("digest") if isinstance(value, dict) else None
    digest = digests.get("sha256") if isinstance(digests, dict) else None
    if not isinstance(digest, str) or not isinstance(value.get("name"), str):
        raise InputError("a subject of the statement lacks its name or its SHA-256 digest")
    return Subject(value["name"], Sha256(digest))


def make_statement(
    subjects: tuple[Artifact, ...], manifest: Manifest, builder: Builder
) -> Statement:
    """State that these files are the release which the manifest describes.

    Upstream commit, checkpoint and toolchain are the resolved dependencies. No time stamp: when it
    was signed is said by the log.
    """
    document = {
        "_type": STATEMENT_TYPE,
        "subject": [
            {"name": subject.name, "digest": {"sha256": subject.digest.hex}} for subject in subjects
        ],
        "predicateType": PREDICATE_TYPE,
        "predicate": {
            "buildDefinition": {
                "buildType": BUILD_TYPE,
                "externalParameters": dict(manifest.run_provenance.args),
                "internalParameters": {},
                "resolvedDependencies": dependencies(manifest),
            },
            "runDetails": {"builder": {"id": builder.id}, "metadata": metadata(builder)},
        },
    }
    return Statement.parse(encode_json(document))


def dependencies(manifest: Manifest) -> list[JsonObject]:
    """List what the build consumed, as SLSA ResourceDescriptors."""
    upstream = manifest.upstream
    checkout = {
        "uri": f"git+{upstream.repo}@{upstream.commit}",
        "digest": {"gitCommit": str(upstream.commit)},
    }
    checkpoint = {
        "name": upstream.checkpoint_path,
        "digest": {"sha256": upstream.checkpoint_sha256.hex},
        "annotations": {"tensors_sha256": str(upstream.checkpoint_tensors_sha256)},
    }
    packages = [
        {"name": name, "uri": package_url(name, version)}
        for name, version in manifest.toolchain.items()
    ]
    return [checkout, checkpoint, *packages]


def package_url(name: str, version: str) -> str:
    """Name a part of the toolchain as a package URL (https://github.com/package-url/purl-spec)."""
    kind = "generic" if name == "python" else "pypi"
    return f"pkg:{kind}/{name}@{version.replace('+', '%2B')}"


def metadata(builder: Builder) -> JsonObject:
    """Name the run, where there is one to name."""
    return {"invocationId": builder.invocation} if builder.invocation else {}
