"""Where a token may go: the origins that the API's address makes trusted.

Nothing here sends anything.
"""

from dataclasses import dataclass

import httpx

from release_tool.core import api
from release_tool.core.api import is_loopback, origin_of, parse_url
from release_tool.core.errors import PublishError
from release_tool.core.token import Token

GITHUB_API = "https://api.github.com"
GITHUB = "github.com"
TENANTS = ["ghe", "com"]
"""Where enterprises with data residency are, each as NAME.ghe.com with hosts of its own."""

__all__ = ["GITHUB_API", "ApiRoot", "Token"]


@dataclass(frozen=True, slots=True)
class ApiRoot(api.ApiRoot):
    """The address of an API that is published to; it knows where the token may go."""

    def trusts(self, url: httpx.URL) -> bool:
        """Decide whether a token may be sent to `url`: the API's own origin, or its upload host."""
        own = httpx.URL(self.url)
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

    def check_redirect(self, url: httpx.URL) -> httpx.URL:
        """Return `url` if a download may go on there: https, or loopback from loopback."""
        safe = url.scheme == "https" or (self.is_loopback and is_loopback(url))
        if not safe or url.userinfo:
            raise PublishError("GitHub redirects a download to an address that is not https")
        return url
