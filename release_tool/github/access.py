"""What the token at hand may do with a repository, as far as GitHub tells before the attempt.

Whether a tag is free, and all the rest of the checklist, is for `preflight.py`.
"""

from release_tool.core.errors import PublishError
from release_tool.core.names import RepoSlug
from release_tool.github.client import GitHub
from release_tool.github.remote import RemoteRepository

WRITING = frozenset({"repo", "public_repo"})
"""The scopes of a classic token that may write a repository's contents."""


def check_token(github: GitHub) -> None:
    """Require a token; raises `PublishError`."""
    if github.token is None:
        raise PublishError("there is no GitHub token", hint="set GH_TOKEN or GITHUB_TOKEN")


def check_repository(github: GitHub, repo: RepoSlug) -> RemoteRepository:
    """Require a repository under its present name, to which the token may push.

    GitHub answers `push: false` to every token of an app, GITHUB_TOKEN in Actions among them,
    whatever it may do; for those only the attempt tells.
    """
    check_token(github)
    found = github.fetch_repository(repo)
    if found.full_name.lower() != str(repo).lower():
        raise PublishError(
            f"{repo} is called {found.full_name[:200]} now", hint="give the present name"
        )
    if found.archived:
        raise PublishError(f"{repo} is archived and cannot be written")
    app = github.token is not None and github.token.belongs_to_an_app
    if found.push is False and not app:
        raise PublishError(
            f"the token may not push to {repo}",
            hint="it needs the permission to write the repository's contents",
        )
    check_scopes(github, repo)
    return found


def check_scopes(github: GitHub, repo: RepoSlug) -> None:
    """Refuse a classic token that was not made for writing; GitHub tells its scopes.

    What `permissions` says of it is what the person may do.
    https://docs.github.com/en/apps/oauth-apps/building-oauth-apps/scopes-for-oauth-apps
    """
    scopes, token = github.wire.scopes, github.token
    if scopes is None or token is None or not token.has_scopes or scopes & WRITING:
        return
    raise PublishError(
        f"the token may not push to {repo}: its scopes are {', '.join(sorted(scopes)) or 'none'}",
        hint="give it the scope repo, or public_repo where the repository is public",
    )
