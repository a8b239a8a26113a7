"""GitHub's token as a value that is not shown by accident.

Nothing here reads one from anywhere, and nothing sends it.
"""

from dataclasses import dataclass, field
from typing import Self

from release_tool.core.errors import UsageError

TOKEN_LIMIT = 4096


@dataclass(frozen=True, slots=True)
class Token:
    """A GitHub token; it shows itself to nobody but `authorization`.

    `variable` is where it was found, for messages.
    """

    secret: str = field(repr=False)
    variable: str | None = None

    @classmethod
    def parse(cls, text: str, variable: str | None = None) -> Self:
        """Read a token as the environment gives it; raises `UsageError` without quoting it.

        White space around it is dropped. Anything that cannot stand in a header is refused here,
        because an HTTP library would quote the whole header in its own complaint.
        """
        secret = text.strip()
        legal = secret.isascii() and secret.isprintable() and " " not in secret
        if not secret or not legal or len(secret) > TOKEN_LIMIT:
            raise UsageError(
                "the GitHub token is empty or holds characters that no token has",
                hint=f"set {variable or 'GH_TOKEN'} to the token alone",
            )
        return cls(secret, variable)

    @classmethod
    def of(cls, given: "str | Token | None") -> "Token | None":
        """Take a token in whatever form a caller has it; raises `UsageError` for a bad one."""
        return given if given is None or isinstance(given, Token) else cls.parse(given)

    @property
    def name(self) -> str:
        """Name it for a message, by where it was found."""
        return f"the token in {self.variable}" if self.variable else "the token"

    @property
    def authorization(self) -> str:
        """Give the Authorization header's value (RFC 6750)."""
        return f"Bearer {self.secret}"

    @property
    def belongs_to_an_app(self) -> bool:
        """Tell an installation's token, such as GITHUB_TOKEN in Actions, by its prefix."""
        return self.secret.startswith("ghs_")

    @property
    def has_scopes(self) -> bool:
        """Tell a token with scopes from one with permissions of its own, granted one by one."""
        return not self.secret.startswith(("ghs_", "ghu_", "github_pat_"))

    def redact(self, text: str) -> str:
        """Take the token out of a text that came from elsewhere."""
        return text.replace(self.secret, "***")
