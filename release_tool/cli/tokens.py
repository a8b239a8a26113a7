"""Where GitHub's token comes from: the environment and nowhere else, so no shell history has it."""

from collections.abc import Mapping

from release_tool.core.errors import PublishError, UsageError
from release_tool.net.token import Token

TOKEN_VARIABLES = ("GH_TOKEN", "GITHUB_TOKEN")


def find_token(environment: Mapping[str, str]) -> Token | None:
    """Return the first token that the environment holds; raises `UsageError` for a bad one."""
    for variable in TOKEN_VARIABLES:
        if environment.get(variable):
            return Token.parse(environment[variable], variable)
    return None


def find_publish_token(environment: Mapping[str, str]) -> Token | None:
    """Return the token for what publishes, if there is one; raises `PublishError` for a bad one."""
    try:
        return find_token(environment)
    except UsageError as error:
        raise PublishError(error.message, hint=error.hint) from error


def require_token(environment: Mapping[str, str]) -> Token:
    """Return the token, or raise `PublishError` where there is none."""
    token = find_publish_token(environment)
    if token is None:
        raise PublishError(
            "there is no GitHub token",
            hint="set GH_TOKEN to a token that may write the repository's contents",
        )
    return token
