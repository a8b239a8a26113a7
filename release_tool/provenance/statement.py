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


@dataclass(frozen=True, slots=True)
class Subject:
    """What a statement is about: a name, which others than ours may leave empty, and a digest."""

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
    """The bytes that are signed, and what they say; the bytes are never made again from it.

    in-toto allows a statement without a predicate, which is then empty. Unless it is `whole`, it
    has subjects without a SHA-256 digest, which are left out here.
    """

    payload: bytes
    subjects: tuple[Subject, ...]
    predicate_type: str
    predicate: JsonObject
    whole: bool = True

    @classmethod
    def parse(cls, payload: bytes) -> Self:
        """Read an in-toto Statement with a subject that has a SHA-256 digest; raises `InputError`.

        Every subject of ours has one, and a name of its own. In another statement only those that
        have one are read: it may be about a commit too, and about files of one name in two places.
        How many they are, the size of the bundle limits.
        """
        document = parse_json_object(payload, "the statement")
        if document.get("_type") not in READABLE_TYPES:
            raise InputError(f"the statement's type is {str(document.get('_type'))[:80]!r}")
        predicate_type, predicate = document.get("predicateType"), document.get("predicate")
        if not isinstance(predicate_type, str) or not isinstance(predicate, dict | None):
            raise InputError("the statement has no type of predicate, or one that is no object")
        predicate = predicate or {}
        subjects = parse_subjects(document.get("subject"), ours=is_export(predicate))
        whole = len(subjects) == len(document["subject"])
        return cls(payload, subjects, predicate_type, predicate, whole)

    @property
    def ours(self) -> bool:
        """Tell whether the statement is of the kind that this tool makes."""
        return is_export(self.predicate)

    @property
    def roles(self) -> dict[str, Subject]:
        """The subjects of a statement of ours by what they are in the release.

        Raises `InputError` where a subject has no role, or two have one.
        """
        stated = self.parameters.get("roles")
        roles = stated if isinstance(stated, dict) else {}
        named = [(roles.get(subject.name), subject) for subject in self.subjects]
        found = {role: subject for role, subject in named if isinstance(role, str)}
        if len(found) < len(named):
            raise InputError("a subject of the statement has no role of its own in the release")
        return found

    @property
    def parameters(self) -> JsonObject:
        """What a statement says of the build in words of ours (SLSA v1, `internalParameters`)."""
        build = self.predicate.get("buildDefinition")
        parameters = build.get("internalParameters") if isinstance(build, dict) else None
        return parameters if isinstance(parameters, dict) else {}

    @property
    def unpinned(self) -> tuple[str, ...]:
        """The claims of a release that a statement of ours marks as not what its recipe pins."""
        marked = self.parameters.get("unpinned", [])
        return tuple(map(str, marked if isinstance(marked, list) else [marked]))


def is_export(predicate: JsonObject) -> bool:
    """Tell whether a predicate is of an export by this tool, by its build type."""
    build = predicate.get("buildDefinition")
    return isinstance(build, dict) and build.get("buildType") == BUILD_TYPE


def parse_subjects(value: Any, *, ours: bool) -> tuple[Subject, ...]:
    """Read those of a statement's subjects that have a SHA-256 digest; of ours, each must."""
    if not isinstance(value, list) or not value:
        raise InputError("the statement has no subjects")
    parsed = [parse_subject(item) for item in value]
    subjects = tuple(subject for subject in parsed if subject is not None)
    names = {subject.name for subject in subjects}
    if not subjects or (ours and (len(subjects) < len(parsed) or "" in names)):
        raise InputError("a subject of the statement lacks its name or its SHA-256 digest")
    if ours and len(names) < len(subjects):
        raise InputError("two subjects of the statement have one name")
    return subjects


def parse_subject(value: Any) -> Subject | None:
    """Read one subject (in-toto ResourceDescriptor); None where it has no SHA-256 digest."""
    digests = value.get("digest") if isinstance(value, dict) else None
    if not isinstance(digests, dict) or not isinstance(value.get("name", ""), str):
        raise InputError("a subject of the statement lacks its name or its digests")
    digest = digests.get("sha256")
    return None if digest is None else Subject(value.get("name", ""), Sha256(str(digest)))


def make_statement(
    subjects: tuple[Artifact, ...],
    manifest: Manifest,
    builder: Builder,
    roles: Mapping[str, str],
) -> Statement:
    """State that these files are the release which the manifest describes.

    `roles` says of each file's name what it is in the release. Upstream commit, checkpoint and
    toolchain are the resolved dependencies. What is unpinned is marked here as well, since the
    manifest may be left out of what is handed on. No time stamp: when it was signed is said by the
    log.
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
                "internalParameters": {
                    "roles": {subject.name: roles[subject.name] for subject in subjects},
                    **marks(manifest),
                },
                "resolvedDependencies": dependencies(manifest),
            },
            "runDetails": {"builder": {"id": builder.id}, "metadata": metadata(builder)},
        },
    }
    return Statement.parse(encode_json(document))


def marks(manifest: Manifest) -> JsonObject:
    """Name the claims that the manifest marks as unpinned, where there are any."""
    return {"unpinned": list(manifest.unpinned)} if manifest.unpinned else {}


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
        for name, version in sorted(manifest.toolchain.items())
    ]
    return [checkout, checkpoint, *packages]


def package_url(name: str, version: str) -> str:
    """Name a part of the toolchain as a package URL (https://github.com/package-url/purl-spec)."""
    kind = "generic" if name == "python" else "pypi"
    return f"pkg:{kind}/{name}@{version.replace('+', '%2B')}"


def metadata(builder: Builder) -> JsonObject:
    """Name the run, where there is one to name."""
    return {"invocationId": builder.invocation} if builder.invocation else {}
