"""How the GitHub stand-in words its answers: the JSON of GitHub's own API description.

Fields that no client of a release needs hold something plausible; nothing is decided here.
"""

from dataclasses import dataclass
from typing import Any

from release_tool.rehearsal.exchange import Refusal, Response
from release_tool.rehearsal.github.state import Asset, GitHubState, Release

DOCUMENTATION = "https://docs.github.com/rest"
PAST = "2020-01-01T00:00:00Z"
API_VERSIONS = ("2022-11-28", "2026-03-10")
SNAPPY_LITERAL = b"\xfc"
"""The tag of a literal whose length, less one, follows in four bytes."""
REPOSITORY_ID = 4242
REPOSITORY_LINKS = """
archive assignees blobs branches collaborators comments commits compare contents contributors
deployments downloads events forks git_commits git_refs git_tags hooks issue_comment issue_events
issues keys labels languages merges milestones notifications pulls releases stargazers statuses
subscribers subscription tags teams trees
""".split()
USER_LINKS = """
avatar events followers following gists organizations received_events repos starred subscriptions
""".split()
COUNTS = """
forks forks_count open_issues open_issues_count size stargazers_count watchers watchers_count
network_count subscribers_count
""".split()


@dataclass(frozen=True, slots=True)
class Places:
    """Where things are below the stand-in's origin, and the API's versions, the newest last.

    At GitHub.com each has a host of its own; here they share one.
    """

    origin: str
    api_path: str = ""
    uploads_path: str = ""
    versions: tuple[str, ...] = API_VERSIONS

    @property
    def api(self) -> str:
        """Give the REST API's address."""
        return self.origin + self.api_path

    @property
    def uploads(self) -> str:
        """Give the address that uploads go to."""
        return self.origin + self.uploads_path


@dataclass(frozen=True, slots=True)
class Shapes:
    """Words answers for one repository at one address."""

    places: Places
    state: GitHubState

    @property
    def api(self) -> str:
        """Give the REST API's address."""
        return self.places.api

    @property
    def web(self) -> str:
        """Give the address of the pages and downloads that people see."""
        return self.places.origin

    @property
    def slug(self) -> str:
        """Give the repository's full name."""
        return f"{self.state.owner}/{self.state.name}"

    @property
    def root(self) -> str:
        """Give the API address of the repository."""
        return f"{self.api}/repos/{self.slug}"

    def user(self) -> dict[str, Any]:
        """Word the owner, who is also the author of everything."""
        url = f"{self.api}/users/{self.state.owner}"
        links = {f"{name}_url": f"{url}/{name}" for name in USER_LINKS}
        return links | {
            "login": self.state.owner,
            "id": 1,
            "node_id": "U_1",
            "gravatar_id": "",
            "html_url": f"{self.web}/{self.state.owner}",
            "url": url,
            "type": "Organization",
            "site_admin": False,
        }

    def repository(self, *, push: bool) -> dict[str, Any]:
        """Word the repository, with what the asking token may do."""
        links = {f"{name}_url": f"{self.root}/{name}" for name in REPOSITORY_LINKS}
        places = {
            f"{name}_url": f"{self.web}/{self.slug}" for name in ("clone", "git", "ssh", "svn")
        }
        switches = ("issues", "projects", "wiki", "pages", "discussions")
        nothing = ("description", "homepage", "language", "mirror_url", "license")
        return {
            **links,
            **places,
            **{f"has_{name}": False for name in switches},
            **dict.fromkeys(nothing),
            **dict.fromkeys(COUNTS, 0),
            **dict.fromkeys(("pushed_at", "created_at", "updated_at"), PAST),
            "id": REPOSITORY_ID,
            "node_id": "R_1",
            "name": self.state.name,
            "full_name": self.slug,
            "owner": self.user(),
            "private": self.state.private,
            "visibility": "private" if self.state.private else "public",
            "fork": False,
            "html_url": f"{self.web}/{self.slug}",
            "url": self.root,
            "default_branch": self.state.default_branch,
            "archived": self.state.archived,
            "disabled": False,
            "permissions": {"admin": False, "maintain": False, "push": push, "pull": True},
        }

    def release(self, release: Release) -> dict[str, Any]:
        """Word a release with its assets."""
        url = f"{self.root}/releases/{release.id}"
        kind = "tag" if not release.draft else "edit"
        archive = None if release.draft else f"{self.root}/{{}}/refs/tags/{release.tag}"
        return {
            "url": url,
            "assets_url": f"{url}/assets",
            "upload_url": f"{self.upload_address(release)}{{?name,label}}",
            "html_url": f"{self.web}/{self.slug}/releases/{kind}/{release.tag}",
            "id": release.id,
            "node_id": f"RE_{release.id}",
            "author": self.user(),
            "tag_name": release.tag,
            "target_commitish": release.target,
            "name": release.name,
            "body": release.body,
            "draft": release.draft,
            "immutable": release.immutable,
            "prerelease": release.prerelease,
            "created_at": release.created_at,
            "published_at": release.published_at,
            "updated_at": release.published_at or release.created_at,
            "tarball_url": archive and archive.format("tarball"),
            "zipball_url": archive and archive.format("zipball"),
            "assets": [self.asset(release, asset) for asset in release.assets.values()],
        }

    def upload_address(self, release: Release) -> str:
        """Give the address that a release's assets are sent to."""
        return f"{self.places.uploads}/repos/{self.slug}/releases/{release.id}/assets"

    def attestation(self, bundle: dict[str, Any], url: str, version: str) -> dict[str, Any]:
        """Word an attestation: its bundle, compressed, lies at `url`, and no more beside it.

        Up to version 2022-11-28 the bundle itself came along.
        """
        inline = {"bundle": bundle} if version == API_VERSIONS[0] else {}
        facts = {"bundle_url": url, "initiator": "user", "repository_id": REPOSITORY_ID}
        return inline | facts

    def asset(self, release: Release, asset: Asset) -> dict[str, Any]:
        """Word an asset."""
        return {
            "url": f"{self.root}/releases/assets/{asset.id}",
            "browser_download_url": (
                f"{self.web}/{self.slug}/releases/download/{release.tag}/{asset.name}"
            ),
            "id": asset.id,
            "node_id": f"RA_{asset.id}",
            "name": asset.name,
            "label": asset.label,
            "uploader": self.user(),
            "content_type": asset.content_type,
            "state": asset.state,
            "size": asset.size,
            "digest": asset.digest,
            "download_count": asset.downloads,
            "created_at": asset.created_at,
            "updated_at": asset.created_at,
        }

    def commit(self, sha: str) -> dict[str, Any]:
        """Word a commit."""
        url = f"{self.root}/commits/{sha}"
        person = {"name": self.state.owner, "email": "rehearsal@example.invalid", "date": PAST}
        return {
            "url": url,
            "sha": sha,
            "node_id": f"C_{sha[:12]}",
            "html_url": f"{self.web}/{self.slug}/commit/{sha}",
            "comments_url": f"{url}/comments",
            "commit": {
                "url": url,
                "author": person,
                "committer": person,
                "message": "A commit of the rehearsal",
                "comment_count": 0,
                "tree": {"sha": sha, "url": f"{self.root}/git/trees/{sha}"},
            },
            "author": self.user(),
            "committer": self.user(),
            "parents": [],
        }


def shape_error(refusal: Refusal) -> Response:
    """Word an error as GitHub's API does, or as the HTML page of something in front of it."""
    headers = {"X-GitHub-Request-Id": "REHEARSAL:ERROR", **refusal.facts.get("headers", {})}
    if "html" in refusal.facts:
        page = str(refusal.facts["html"]).encode()
        return Response(refusal.status, headers | {"Content-Type": "text/html"}, page)
    document: dict[str, Any] = {
        "message": refusal.message,
        "documentation_url": DOCUMENTATION,
        "status": str(refusal.status),
    }
    if "errors" in refusal.facts:
        document["errors"] = refusal.facts["errors"]
    answer = Response.of_json(document, status=refusal.status)
    return Response(answer.status, {**answer.headers, **headers}, answer.body)


def compress(content: bytes) -> bytes:
    """Put bytes into Snappy's block format as one literal, which every reader of it takes.

    https://github.com/google/snappy/blob/main/format_description.txt
    """
    preamble, rest = bytearray(), len(content)
    while rest >= 0x80:
        preamble.append(rest & 0x7F | 0x80)
        rest >>= 7
    preamble.append(rest)
    return bytes(preamble) + SNAPPY_LITERAL + (len(content) - 1).to_bytes(4, "little") + content
