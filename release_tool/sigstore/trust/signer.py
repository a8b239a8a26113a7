"""Who must have signed: an identity and the issuer that vouched for it, both always exact.

Composes and holds expectations; comparing them with a certificate is the verdict's task.
"""

import re
from dataclasses import dataclass
from typing import Self

from release_tool.core.errors import UsageError
from release_tool.core.names import CommitId, RepoSlug
from release_tool.recipes.recipe import Publisher

GITHUB_ISSUER = "https://token.actions.githubusercontent.com"
DEFAULT_WORKFLOW = "release.yml"
DEFAULT_REF = "refs/heads/main"
WORKFLOW_DIRECTORY = ".github/workflows/"
WORKFLOW_FILE = re.compile(r"[A-Za-z0-9_-][A-Za-z0-9._-]{0,99}\.ya?ml")
REF = re.compile(r"refs/(heads|tags|pull)/[A-Za-z0-9_][A-Za-z0-9._/+-]{0,250}")


@dataclass(frozen=True, slots=True)
class ExpectedSigner:
    """What the signing certificate must say; a field that is None is not compared.

    `identity` is the certificate's one subject alternative name and `issuer` its OIDC issuer
    (Fulcio extension 1.3.6.1.4.1.57264.1.8). The others are Fulcio's source repository (.12), its
    numeric id (.15), source ref (.14), source digest (.13), build trigger (.20) and runner
    environment (.11).
    """

    identity: str
    issuer: str
    repo: RepoSlug | None = None
    repo_id: str | None = None
    ref: str | None = None
    commit: CommitId | None = None
    trigger: str | None = None
    runner: str | None = None

    def __post_init__(self) -> None:
        if not self.identity or not self.issuer:
            raise UsageError(
                "a signer is an identity and an issuer; one of them is empty",
                hint="give --cert-identity and --cert-oidc-issuer together, or --repo",
            )
        if self.repo_id is not None and not (self.repo_id.isascii() and self.repo_id.isdigit()):
            raise UsageError(f"not a repository's numeric id: {self.repo_id[:80]!r}")

    @classmethod
    def exact(cls, identity: str, issuer: str) -> Self:
        """Expect exactly this subject alternative name from exactly this issuer."""
        return cls(identity, issuer)

    @classmethod
    def of_workflow(
        cls,
        repo: RepoSlug,
        workflow: str = DEFAULT_WORKFLOW,
        ref: str = DEFAULT_REF,
        issuer: str = GITHUB_ISSUER,
    ) -> Self:
        """Expect a GitHub Actions workflow of `repo`, run from exactly `ref`.

        `workflow` is a file name in `.github/workflows/`, with or without that folder. The source
        repository and ref are pinned beside the identity, since for a reusable workflow the
        identity names the workflow that was called, not the repository that called it.
        """
        name = workflow.removeprefix(WORKFLOW_DIRECTORY)
        if not WORKFLOW_FILE.fullmatch(name):
            raise UsageError(
                f"not a workflow file: {workflow[:120]!r}", hint="write it like release.yml"
            )
        if not REF.fullmatch(ref) or ".." in ref:
            raise UsageError(
                f"not a full git ref: {ref[:120]!r}",
                hint="write it like refs/heads/main or refs/tags/v1",
            )
        identity = f"{repo.url}/{WORKFLOW_DIRECTORY}{name}@{ref}"
        return cls(identity, issuer, repo=repo, ref=ref)

    @classmethod
    def of_publisher(cls, publisher: Publisher) -> Self:
        """Expect the publisher that a recipe or the configuration names."""
        return cls.of_workflow(publisher.repo, publisher.workflow, publisher.ref, publisher.issuer)
