"""Who must have signed: an identity and the issuer that vouched for it, both always exact.

Composes and holds expectations; comparing them with a certificate is the verdict's task.
"""

import re
from dataclasses import dataclass, replace
from typing import Self

from release_tool.core.errors import UsageError
from release_tool.core.names import CommitId, RepoSlug, check_number
from release_tool.core.refs import check_ref
from release_tool.recipes.recipe import Publisher

GITHUB_ISSUER = "https://token.actions.githubusercontent.com"
DEFAULT_WORKFLOW = "release.yml"
DEFAULT_REF = "refs/heads/main"
WORKFLOW_DIRECTORY = ".github/workflows/"
WORKFLOW_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}\.ya?ml")


@dataclass(frozen=True, slots=True)
class Workflow:
    """A workflow file of the expected repository, and the refs that it may have run from."""

    file: str
    refs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ExpectedSigner:
    """What the signing certificate must say; a field that is None is not compared.

    `identity` is the certificate's one subject alternative name and `issuer` its OIDC issuer
    (Fulcio extension 1.3.6.1.4.1.57264.1.8). The others are Fulcio's source repository (.12), its
    numeric id (.15), its owner's (.17), source ref (.14), source digest (.13), build trigger (.20)
    and runner environment (.11).

    With `workflow` the identity is composed of the repository, the file and any of its refs, and
    `identity` is that of the first.
    """

    identity: str
    issuer: str
    repo: RepoSlug | None = None
    owner_id: str | None = None
    repo_id: str | None = None
    ref: str | None = None
    commit: CommitId | None = None
    trigger: str | None = None
    runner: str | None = None
    workflow: Workflow | None = None

    def __post_init__(self) -> None:
        if not self.identity or not self.issuer:
            raise UsageError(
                "a signer is an identity and an issuer; one of them is empty",
                hint="give --cert-identity and --cert-oidc-issuer together, or --repo",
            )
        check_number(self.owner_id)
        check_number(self.repo_id)

    @classmethod
    def exact(cls, identity: str, issuer: str) -> Self:
        """Expect exactly this subject alternative name from exactly this issuer."""
        return cls(identity, issuer)

    @classmethod
    def of_workflow(
        cls,
        repo: RepoSlug,
        workflow: str = DEFAULT_WORKFLOW,
        *refs: str,
        issuer: str = GITHUB_ISSUER,
    ) -> Self:
        """Expect a GitHub Actions workflow of `repo`, run from one of `refs`, main by default.

        `workflow` is a file name in `.github/workflows/`, with or without that folder. The source
        repository and ref are pinned beside the identity, since for a reusable workflow the
        identity names the workflow that was called, not the repository that called it.
        """
        name = workflow.removeprefix(WORKFLOW_DIRECTORY)
        if not WORKFLOW_FILE.fullmatch(name):
            raise UsageError(
                f"not a workflow file: {workflow[:120]!r}", hint="write it like release.yml"
            )
        allowed = Workflow(name, tuple(check_ref(ref) for ref in refs or (DEFAULT_REF,)))
        identity = f"{identity_of(repo, name)}{allowed.refs[0]}"
        return cls(identity, issuer, repo=repo, workflow=allowed)

    @classmethod
    def of_publisher(cls, publisher: Publisher) -> Self:
        """Expect the publisher that a recipe or the configuration names."""
        signer = cls.of_workflow(
            publisher.repo, publisher.workflow, *publisher.refs, issuer=publisher.issuer
        )
        return replace(signer, owner_id=publisher.owner_id, repo_id=publisher.repo_id)

    def __str__(self) -> str:
        refs = () if self.workflow is None else self.workflow.refs[1:]
        return " or ".join((self.identity, *(f"@{ref}" for ref in refs)))


@dataclass(frozen=True, slots=True)
class ExpectedService:
    """A service that a Sigstore instance certifies itself, so that no OIDC issuer vouched for it.

    `identity` is the certificate's one subject alternative name.
    """

    identity: str


def identity_of(repo: RepoSlug, workflow: str) -> str:
    """Return the identity of a repository's workflow file up to its ref."""
    return f"{repo.url}/{WORKFLOW_DIRECTORY}{workflow}@"
