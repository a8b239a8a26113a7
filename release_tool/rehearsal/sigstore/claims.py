"""What a GitHub Actions job says of itself: the claims of its identity token, as one value.

Signing them is the issuer's business, and writing them into a certificate Fulcio's.
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Any, Self

from release_tool.core.errors import UsageError
from release_tool.core.names import CommitId, RepoSlug

ISSUER = "https://token.actions.githubusercontent.com"
SERVER = "https://github.com"
WORKFLOW = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}\.ya?ml")
REF = re.compile(r"refs/(heads|tags)/[A-Za-z0-9._/-]{1,200}")
EVENT = re.compile(r"[a-z][a-z_]{0,63}")
NO_COMMIT = CommitId("7e4ea75a1" + 31 * "0")
"""A commit that says nothing of any repository, in letters that a person notices."""


@dataclass(frozen=True, slots=True)
class Claims:
    """One run of one workflow of one repository.

    `workflow` is the file's name below `.github/workflows`, `environment` a deployment
    environment or nothing. GitHub's numbers are made of the names where they are not given.
    """

    repo: RepoSlug
    workflow: str = "release.yml"
    ref: str = "refs/heads/main"
    sha: CommitId = NO_COMMIT
    event: str = "workflow_dispatch"
    environment: str = ""
    run_id: int = 1
    run_attempt: int = 1
    owner_id: str = ""
    repo_id: str = ""

    def __post_init__(self) -> None:
        patterns = ((WORKFLOW, self.workflow), (REF, self.ref), (EVENT, self.event))
        for pattern, text in patterns:
            if not pattern.fullmatch(text):
                raise UsageError(f"GitHub Actions would not claim {text[:80]!r}")

    @classmethod
    def of(cls, repo: str, *, sha: str = NO_COMMIT.hex, **others: Any) -> Self:
        """Make the claims of a repository `owner/name`, everything else by default."""
        return cls(RepoSlug.parse(repo), sha=CommitId.parse(sha), **others)

    @property
    def ids(self) -> tuple[str, str]:
        """GitHub's numbers for the owner and for the repository."""
        return self.owner_id or number(self.repo.owner), self.repo_id or number(str(self.repo))

    @property
    def workflow_path(self) -> str:
        """The workflow's path in its repository."""
        return f".github/workflows/{self.workflow}"

    @property
    def workflow_ref(self) -> str:
        """The workflow and its ref, as GitHub writes them."""
        return f"{self.repo}/{self.workflow_path}@{self.ref}"

    @property
    def identity(self) -> str:
        """The identity that Fulcio certifies for this run."""
        return f"{SERVER}/{self.workflow_ref}"

    @property
    def subject(self) -> str:
        """The `sub` claim in GitHub's default form."""
        if self.environment:
            return f"repo:{self.repo}:environment:{self.environment}"
        return f"repo:{self.repo}:ref:{self.ref}"

    def to_token(self) -> dict[str, Any]:
        """Return the claims of a token, but for issuer, audience and times."""
        deployment = {"environment": self.environment} if self.environment else {}
        return deployment | {
            "sub": self.subject,
            "actor": self.repo.owner,
            "actor_id": self.ids[0],
            "base_ref": "",
            "event_name": self.event,
            "head_ref": "",
            "job_workflow_ref": self.workflow_ref,
            "job_workflow_sha": self.sha.hex,
            "ref": self.ref,
            "ref_protected": "true",
            "ref_type": "tag" if self.ref.startswith("refs/tags/") else "branch",
            "repository": str(self.repo),
            "repository_id": self.ids[1],
            "repository_owner": self.repo.owner,
            "repository_owner_id": self.ids[0],
            "repository_visibility": "public",
            "run_attempt": str(self.run_attempt),
            "run_id": str(self.run_id),
            "run_number": "1",
            "runner_environment": "github-hosted",
            "sha": self.sha.hex,
            "workflow": self.workflow_path,
            "workflow_ref": self.workflow_ref,
            "workflow_sha": self.sha.hex,
        }

    def to_environment(self) -> dict[str, str]:
        """Return the variables that a job of this run sees, but for those of the issuer."""
        return {
            "CI": "true",
            "GITHUB_ACTIONS": "true",
            "GITHUB_EVENT_NAME": self.event,
            "GITHUB_REF": self.ref,
            "GITHUB_REF_NAME": self.ref.split("/", 2)[2],
            "GITHUB_REF_TYPE": "tag" if self.ref.startswith("refs/tags/") else "branch",
            "GITHUB_REPOSITORY": str(self.repo),
            "GITHUB_REPOSITORY_ID": self.ids[1],
            "GITHUB_REPOSITORY_OWNER": self.repo.owner,
            "GITHUB_REPOSITORY_OWNER_ID": self.ids[0],
            "GITHUB_RUN_ATTEMPT": str(self.run_attempt),
            "GITHUB_RUN_ID": str(self.run_id),
            "GITHUB_RUN_NUMBER": "1",
            "GITHUB_SERVER_URL": SERVER,
            "GITHUB_SHA": self.sha.hex,
            "GITHUB_WORKFLOW": self.workflow_path,
            "GITHUB_WORKFLOW_REF": self.workflow_ref,
            "GITHUB_WORKFLOW_SHA": self.sha.hex,
            "RUNNER_ENVIRONMENT": "github-hosted",
        }


def number(name: str) -> str:
    """Give a name a number of its own, always the same, as GitHub's database would."""
    return str(int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big"))
