"""Where GitHub's token comes from: the environment and nowhere else, so no shell history has it."""

from collections.abc import Mapping

from release_tool.core.errors import PublishError

TOKEN_VARIABLES = ("GH_TOKEN", "GITHUB_TOKEN")


def find_token(environment: Mapping[str, str]) -> str | None:
    """Return the first token that the environment holds."""
    return next((environment[name] for name in TOKEN_VARIABLES if environment.get(name)), None)


def require_token(environment: Mapping[str, str]) -> str:
    """Return the token, or raise `PublishError` where there is none."""
    token = find_token(environment)
    if token is None:
        raise PublishError(
            "there is no GitHub token",
            hint="set GH_TOKEN to a token that may write the repository's contents",
        )
    return token
