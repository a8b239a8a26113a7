"""The address of a GitHub REST API, and where its token may go: the origins that it makes trusted.

Nothing here sends anything.
"""

from dataclasses import dataclass
from typing import Self

from release_tool.core.errors import PublishError, UsageError
from release_tool.net.address import (
    MAX_SHOWN,
    URL,
    is_local,
    origin_of,
    parse_url,
    without_login,
)
from release_tool.net.client import Client, open_client

GITHUB_API = "https://api.github.com"
GITHUB = "github.com"
TENANTS = ["ghe", "com"]
"""Where enterprises with data residency are, each as NAME.ghe.com with hosts of its own."""
NEWEST_VERSION = "2026-03-10"
OLDEST_VERSION = "2022-11-28"
ENTERPRISE_PATH = "/api/v3"


@dataclass(frozen=True, slots=True)
class ApiRoot:
    """The address of a GitHub REST API: `url` without a final slash."""

    url: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read an API's address; raises `UsageError` unless it is https, or http on loopback."""
        url = parse_url(text)
        plain = url is not None and not url.userinfo and not url.query and not url.fragment
        if url is None or not plain or not (url.scheme == "https" or is_local(url)):
            raise UsageError(
                f"not the address of a GitHub API: {without_login(text)[:MAX_SHOWN]!r}",
                hint="write it as https://HOST/api/v3; http is for loopback only",
            )
        return cls(str(url).rstrip("/"))

    @property
    def is_loopback(self) -> bool:
        """Tell whether the API is a stand-in on this very machine."""
        return is_local(URL(self.url))

    @property
    def version(self) -> str:
        """Name the version to ask for; an Enterprise server refuses one newer than itself."""
        return OLDEST_VERSION if self.url.endswith(ENTERPRISE_PATH) else NEWEST_VERSION

    def open_client(self) -> Client:
        """Open a client for this API; proxies of the environment never see loopback."""
        return open_client(local=self.is_loopback, secure=URL(self.url).scheme == "https")

    def trusts(self, url: URL) -> bool:
        """Decide whether a token may be sent to `url`: the API's own origin, or its upload host."""
        own = URL(self.url)
        trusted = {origin_of(own)}
        domain = own.host.removeprefix("api.")
        named_alike = own.host != domain and own.scheme == "https" and own.port is None
        if named_alike and (domain == GITHUB or domain.split(".")[1:] == TENANTS):
            trusted.add(("https", f"uploads.{domain}", 443))
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
