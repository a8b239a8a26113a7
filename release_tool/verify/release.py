"""What a verdict yields: who signed which bytes, when, and by which steps that was found.

Values and their JSON; only `verdict` makes a `VerifiedRelease`.
"""

from dataclasses import asdict, dataclass
from datetime import datetime

from release_tool.core.artifact import Artifact
from release_tool.core.digest import Sha256
from release_tool.core.documents import JsonObject

VERDICT_SCHEMA = "release-tool-verdict-v1"
VERDICTS_SCHEMA = "release-tool-verdicts-v1"
"""Several of them in one list, refusals among them."""


@dataclass(frozen=True, slots=True)
class VerifiedFile:
    """A file that the verdict covers; `role` is model, bundle, manifest, provenance and so on.

    `size` in bytes is None where only a digest was given.
    """

    role: str
    name: str
    digest: Sha256
    size: int | None


@dataclass(frozen=True, slots=True)
class Step:
    """One numbered step of the ladder, and what it found."""

    number: int
    name: str
    outcome: str


@dataclass(frozen=True, slots=True)
class VerifiedSigner:
    """Who signed: the identity and its issuer and, for a workflow, its build as certified."""

    identity: str
    issuer: str
    repo: str | None
    commit: str | None
    workflow: str | None
    ref: str | None
    trigger: str | None
    runner: str | None
    run_url: str | None


@dataclass(frozen=True, slots=True)
class ProvenanceSummary:
    """What the signed statement and manifest say of the model's making.

    `recipe` is the name of the one by which the release claims to be made. `builder_certified`
    tells whether the certificate bears the builder out; where it does not, the statement alone
    says so.
    """

    recipe: str | None
    predicate_type: str
    builder: str | None
    builder_certified: bool
    upstream_repo: str | None
    upstream_commit: str | None
    checkpoint: str | None


@dataclass(frozen=True, slots=True)
class EvaluationSummary:
    """What a signed test result says of the model, `passed` or `failed`, and who signed that."""

    result: str
    identity: str
    issuer: str


@dataclass(frozen=True, slots=True)
class VerifiedRelease:
    """A model with everything that was found to speak for it; its existence is the verdict.

    `signed_at` (UTC) is the earliest time that a log or time-stamp authority vouches for. The log's
    members are None where the trusted root names no log, and time stamps stand in its place.
    `unpinned` names the signed claims that are not what the recipe pins.
    """

    artifacts: tuple[VerifiedFile, ...]
    signer: VerifiedSigner
    signed_at: datetime
    log_index: int | None
    log_id: str | None
    log_url: str | None
    steps: tuple[Step, ...]
    provenance: ProvenanceSummary | None
    unpinned: tuple[str, ...] = ()
    evaluation: EvaluationSummary | None = None

    @property
    def model(self) -> VerifiedFile:
        """The model itself."""
        return self.artifacts[0]

    @property
    def described(self) -> tuple[Artifact, ...]:
        """The files as they were verified, of those that were at hand whole."""
        return tuple(
            Artifact(file.name, file.size, file.digest)
            for file in self.artifacts
            if file.size is not None
        )

    @property
    def signature_only(self) -> bool:
        """Tell whether nothing vouches for more than that the signer signed these bytes."""
        return self.provenance is None

    @property
    def not_covered(self) -> tuple[str, ...]:
        """The roles that the verdict should cover and does not, since nothing vouches for them."""
        covered = {artifact.role for artifact in self.artifacts}
        return tuple(role for role in ("provenance", "manifest") if role not in covered)

    def to_json(self) -> JsonObject:
        """Write the verdict as a document of schema `release-tool-verdict-v1`.

        Members are always there, null where nothing is known; digests are `sha256:<hex>`, times
        RFC 3339 in UTC.
        """
        return {
            "schema": VERDICT_SCHEMA,
            "verified": True,
            "signature_only": self.signature_only,
            "artifacts": [
                {
                    "role": artifact.role,
                    "name": artifact.name,
                    "size": artifact.size,
                    "digest": str(artifact.digest),
                }
                for artifact in self.artifacts
            ],
            "not_covered": list(self.not_covered),
            "unpinned": list(self.unpinned),
            "signer": asdict(self.signer),
            "signed_at": self.signed_at.isoformat(),
            "log": None
            if self.log_index is None
            else {"id": self.log_id, "index": self.log_index, "url": self.log_url},
            "steps": [asdict(step) for step in self.steps],
            "provenance": None if self.provenance is None else asdict(self.provenance),
            "evaluation": None if self.evaluation is None else asdict(self.evaluation),
        }
