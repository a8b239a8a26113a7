"""Where a token may go: the API's address, the origins that it trusts, the token as a value.

Nothing here sends anything.
"""

import ipaddress
from dataclasses import dataclass, field
from typing import Self

import httpx

from release_tool.core.errors import PublishError, UsageError

GITHUB_API = "https://api.github.com"
GITHUB_UPLOADS = "https://uploads.github.com"
TOKEN_LIMIT = 4096
DEFAULT_PORTS = {"https": 443, "http": 80}

Origin = tuple[str, str, int | None]


@dataclass(frozen=True, slots=True)
class Token:
    """A GitHub token; it shows itself to nobody but `authorization`."""

    secret: str = field(repr=False)

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a token as the environment gives it; raises `PublishError` without quoting it.

        White space around it is dropped. Anything that cannot stand in a header is refused here,
        because an HTTP library would quote the whole header in its own complaint.
        """
        secret = text.strip()
        legal = secret.isascii() and secret.isprintable() and " " not in secret
        if not secret or not legal or len(secret) > TOKEN_LIMIT:
            raise PublishError(
                "the GitHub token is empty or holds characters that no token has",
                hint="set GH_TOKEN to the token alone",
            )
        return cls(secret)

    @property
    def authorization(self) -> str:
        """Give the Authorization header's value (RFC 6750)."""
        return f"Bearer {self.secret}"

    @property
    def belongs_to_an_app(self) -> bool:
        """Tell an installation's token, such as GITHUB_TOKEN in Actions, by its prefix."""
        return self.secret.startswith("ghs_")

    def redact(self, text: str) -> str:
        """Take the token out of a text that came from elsewhere."""
        return text.replace(self.secret, "***")


@dataclass(frozen=True, slots=True)
class ApiRoot:
    """The address of a GitHub REST API: `url` without a final slash."""

    url: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an API's address; raises `UsageError` unless it is https, or http on loopback."""
        url = parse_url(text)
        plain = url is not None and not url.userinfo and not url.query and not url.fragment
        if url is None or not plain or not (url.scheme == "https" or is_loopback(url)):
            raise UsageError(
                f"not the address of a GitHub API: {text[:120]!r}",
                hint="write it as https://HOST/api/v3; http is for loopback only",
            )
        return cls(str(url).rstrip("/"))

    @property
    def is_loopback(self) -> bool:
        """Tell whether the API is a stand-in on this very machine."""
        return is_loopback(httpx.URL(self.url))

    def trusts(self, url: httpx.URL) -> bool:
        """Decide whether a token may be sent to `url`: the API's own origin, or its upload host."""
        trusted = {origin_of(httpx.URL(self.url))}
        if origin_of(httpx.URL(GITHUB_API)) in trusted:
            trusted.add(origin_of(httpx.URL(GITHUB_UPLOADS)))
        return not url.userinfo and origin_of(url) in trusted

    def check_upload_url(self, template: str, release_id: int) -> str:
        """Return where a release's assets go, from the `upload_url` template of the release.

        1. The `{?name,label}` at its end is dropped (RFC 6570).
        2. The origin must be one that the token may go to.
        3. The path must be that of this very release.
        """
        url = parse_url(template.partition("{")[0])
        if url is None or not self.trusts(url):
            raise PublishError(
                "the release names an upload address on another host; the token is not sent there"
            )
        if not url.path.endswith(f"/releases/{release_id}/assets") or url.query:
            raise PublishError("the release names an upload address that is not its own")
        return str(url)

    def check_redirect(self, url: httpx.URL) -> httpx.URL:
        """Return `url` if a download may go on there: https, or loopback from loopback."""
        safe = url.scheme == "https" or (self.is_loopback and is_loopback(url))
        if not safe or url.userinfo:
            raise PublishError("GitHub redirects a download to an address that is not https")
        return url


def parse_url(text: str) -> httpx.URL | None:
    """Read an absolute http or https URL; None for anything else."""
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        return None
    return url if url.scheme in DEFAULT_PORTS and url.host else None


def origin_of(url: httpx.URL) -> Origin:
    """Give a URL's origin (RFC 6454): scheme, host, port."""
    return url.scheme, url.host, url.port or DEFAULT_PORTS.get(url.scheme)


def is_loopback(url: httpx.URL) -> bool:
    """Tell a literal loopback address (RFC 1122, RFC 4291) or the name localhost."""
    if url.host == "localhost":
        return True
    try:
        return ipaddress.ip_address(url.host).is_loopback
    except ValueError:
        return False
