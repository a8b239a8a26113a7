"""Where GitHub's token comes from: the environment and nowhere else, so no shell history has it."""

from collections.abc import Mapping

from release_tool.core.errors import PublishError, UsageError
from release_tool.net.token import Token

TOKEN_VARIABLES = ("GH_TOKEN", "GITHUB_TOKEN")


def find_token(environment: Mapping[str, str]) -> Token | None:
    """Return the first token that the environment holds; raises `UsageError` for a bad one."""
    given = next((environment[name] for name in TOKEN_VARIABLES if environment.get(name)), None)
    return Token.of(given)


def find_publish_token(environment: Mapping[str, str]) -> str | None:
    """Return the token for what publishes, if there is one; raises `PublishError` for a bad one."""
    try:
        token = find_token(environment)
    except UsageError as error:
        raise PublishError(error.message, hint=error.hint) from error
    return None if token is None else token.secret


def require_token(environment: Mapping[str, str]) -> str:
    """Return the token, or raise `PublishError` where there is none."""
    token = find_publish_token(environment)
    if token is None:
        raise PublishError(
            "there is no GitHub token",
            hint="set GH_TOKEN to a token that may write the repository's contents",
        )
    return token
