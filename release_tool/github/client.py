"""Typed calls to GitHub's REST API, and no decisions.

Every method is one question or one order; what to ask and in which order is for `transaction.py`.
"""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

from release_tool.core.artifact import Artifact
from release_tool.core.digest import Sha256
from release_tool.core.errors import PublishError, UsageError
from release_tool.core.names import CommitId, Latest, RepoSlug, Tag
from release_tool.core.patience import PATIENCE_SECONDS, Patience
from release_tool.core.progress import SILENT, Progress
from release_tool.github.failures import Forbidden, Moved, Refused
from release_tool.github.origin import GITHUB_API, OLDEST_VERSION, ApiRoot
from release_tool.github.remote import (
    RemoteAsset,
    RemoteRelease,
    RemoteRepository,
    parse_asset,
    parse_attestations,
    parse_commit,
    parse_enabled,
    parse_list,
    parse_release,
    parse_repository,
    parse_stored,
)
from release_tool.github.streams import open_upload
from release_tool.github.wire import (
    ANSWER_SECONDS,
    BYTES_TYPE,
    REDIRECTS,
    SILENCE_TIMEOUT_SECONDS,
    Answer,
    Call,
    Wire,
)
from release_tool.net.address import URL, join
from release_tool.net.client import Client
from release_tool.net.failures import AnswerLost
from release_tool.net.token import Token

T = TypeVar("T")

MAX_PAGES = 100
"""GitHub itself lists no more than 10,000 releases."""
PAGE_BYTES = 1024 * 1024
"""What one page of a list may well have."""


def open_github(  # noqa: PLR0913 - one keyword a part of the outside world
    api: str = GITHUB_API,
    token: str | Token | None = None,
    *,
    client: Client | None = None,
    progress: Progress = SILENT,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.time,
    patience_seconds: float = PATIENCE_SECONDS,
    silence_seconds: float = SILENCE_TIMEOUT_SECONDS,
    answer_seconds: float = ANSWER_SECONDS,
) -> "GitHub":
    """Open a conversation with the API at `api`; use it in a `with` block.

    A `client` that is passed in stays open and must carry no Authorization of its own. Proxies
    of the environment are used, but never for loopback. Calls wait for GitHub no longer than
    `silence_seconds` without a byte, `answer_seconds` for the whole of a small answer, and
    `patience_seconds` in all for better times. Raises `UsageError` for a bad address and
    `PublishError` for a malformed token.
    """
    root = ApiRoot.parse(api)
    try:
        secret = Token.of(token)
    except UsageError as error:
        raise PublishError(error.message, hint=error.hint) from error
    if client is not None and "authorization" in client.headers:
        raise ValueError("the client carries an Authorization header of its own")
    own = None
    if client is None:
        client = own = root.open_client()
    patience = Patience(progress, sleep, clock, patience_seconds)
    return GitHub(Wire(client, root, secret, patience, silence_seconds, answer_seconds), own)


class GitHub:
    """Typed calls; every one raises `TryAgain`, `PublishError` or `ConflictError`."""

    def __init__(self, wire: Wire, own_client: Client | None = None) -> None:
        self.wire = wire
        self.own_client = own_client

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.own_client is not None:
            self.own_client.close()

    def __repr__(self) -> str:
        """Show where it talks to, never the token."""
        return f"GitHub({self.wire.api.url})"

    @property
    def token(self) -> Token | None:
        """Give the token, if there is one."""
        return self.wire.token

    @property
    def patience(self) -> Patience:
        """Give the budget of waiting that all calls share."""
        return self.wire.patience

    @property
    def now(self) -> float:
        """Give the time in Unix seconds by the server's last answer, else by the clock here."""
        return self.wire.server_time or self.patience.clock()

    # Questions: all of them may be repeated.

    def fetch_repository(self, repo: RepoSlug) -> RemoteRepository:
        """Ask for a repository; one that was renamed is followed, so its name then differs."""
        url = self.url(repo)
        for _ in range(2):
            call = Call(f"looking at {repo}", "GET", url, repeatable=True, absent=REDIRECTS)
            found = self.wire.send(call, read_repository)
            if isinstance(found, RemoteRepository):
                return found
            if found is None or not self.wire.api.trusts(found):
                break
            url = str(found)
        raise Moved(
            f"{repo} has moved to another address",
            hint="look up the repository's present name and give that",
        )

    def fetch_releases(self, repo: RepoSlug) -> tuple[RemoteRelease, ...]:
        """List the releases; drafts are among them only for a token that may push."""
        url = self.url(repo, "releases?per_page=100")
        return tuple(self.fetch_list(f"listing the releases of {repo}", url, parse_release))

    def fetch_release_by_tag(self, repo: RepoSlug, tag: Tag) -> RemoteRelease | None:
        """Ask for the published release of a tag; drafts are never found so."""
        url = self.url(repo, f"releases/tags/{quote(tag.name, safe='')}")
        return self.fetch_one(f"looking for the release {tag}", url, parse_release, {404})

    def fetch_release(self, repo: RepoSlug, release_id: int) -> RemoteRelease | None:
        """Ask for a release, draft or not, by its id."""
        url = self.url(repo, f"releases/{release_id}")
        return self.fetch_one(f"reading release {release_id}", url, parse_release, {404})

    def fetch_assets(self, repo: RepoSlug, release_id: int) -> tuple[RemoteAsset, ...]:
        """List a release's assets, broken ones among them."""
        url = self.url(repo, f"releases/{release_id}/assets?per_page=100")
        what = f"listing the assets of release {release_id}"
        return tuple(self.fetch_list(what, url, parse_asset))

    def fetch_commit(self, repo: RepoSlug, ref: str) -> CommitId | None:
        """Ask which commit a branch, a commit id or `tags/NAME` stands for."""
        url = self.url(repo, f"commits/{quote(ref, safe='/')}")
        # 404 and 422 both say that there is no such commit, 409 that the repository is empty.
        return self.fetch_one(
            f"looking up the commit {ref[:80]}", url, parse_commit, {404, 409, 422}
        )

    def fetch_immutable_setting(self, repo: RepoSlug) -> bool | None:
        """Ask whether releases become immutable; None where the token may not know."""
        url = self.url(repo, "immutable-releases")
        what = f"reading the settings of {repo}"
        try:
            return self.fetch_one(what, url, parse_enabled, {404})
        except Forbidden:
            return None

    def fetch_attestations(
        self, repo: RepoSlug, subject: Sha256
    ) -> tuple[dict[str, Any] | None, ...] | None:
        """List the bundles kept for a digest, None for one that is not shown; None if refused."""
        url = self.url(repo, f"attestations/{subject}?per_page=30")
        what = f"looking for attestations at {repo}"
        # A newer version leaves the bundles themselves out.
        headers = {"X-GitHub-Api-Version": OLDEST_VERSION}
        try:
            return tuple(self.fetch_pages(what, url, parse_attestations, headers))
        except Refused:
            return None

    def fetch_asset_digest(self, repo: RepoSlug, asset: RemoteAsset) -> Sha256:
        """Download an asset and hash it, following GitHub's redirect without the token."""
        url = self.url(repo, f"releases/assets/{asset.id}")
        what = f"downloading {asset.name[:200]}"
        call = Call(what, "GET", url, accept=BYTES_TYPE, size=asset.size, repeatable=True)
        return self.wire.repeat(call, lambda: self.hash_once(call))

    # Orders: repeated only where that changes nothing.

    def send_draft(
        self, repo: RepoSlug, tag: Tag, *, target: str | None, title: str, body: str
    ) -> RemoteRelease:
        """Make a draft. Not repeated: after a lost answer, look for it before trying again."""
        document = {"tag_name": tag.name, "name": title, "body": body, "draft": True}
        if target is not None:
            document["target_commitish"] = target
        call = Call(f"making the draft of {tag}", "POST", self.url(repo, "releases"), document)
        return self.wire.send(call, lambda answer: answer.parse(call.what, parse_release))

    def send_asset(self, release: RemoteRelease, artifact: Artifact, path: Path) -> RemoteAsset:
        """Upload a file to a draft, in a stream. Not repeated once a byte was sent.

        Raises `PublishError` if the file is not, or no longer, the artifact; the upload then
        breaks off before its last byte.
        """
        target = self.wire.api.check_upload_url(release.upload_url, release.id)
        headers = {"Content-Type": BYTES_TYPE, "Content-Length": str(artifact.size)}

        what = f"uploading {artifact.name}"
        url = f"{target}?name={quote(artifact.name, safe='')}"
        empty = Call(what, "POST", url, headers=headers, size=artifact.size)

        def attempt() -> RemoteAsset:
            with (
                self.patience.progress.bar(artifact.name, artifact.size) as advance,
                open_upload(artifact, path, advance, self.wire.sockets.tick) as chunks,
            ):
                return self.wire.exchange(replace(empty, content=chunks)).parse(what, parse_asset)

        return self.wire.repeat(empty, attempt)

    def send_tag(self, repo: RepoSlug, release: RemoteRelease, tag: Tag) -> RemoteRelease:
        """Give a draft its tag back; repeated freely, since it sets the same thing twice."""
        document = {"tag_name": tag.name, "target_commitish": release.target, "draft": True}
        what = f"restoring the tag of draft {release.id}"
        call = Call(what, "PATCH", self.release_url(repo, release.id), document, repeatable=True)
        return self.wire.send(call, lambda answer: answer.parse(what, parse_release))

    def send_publication(
        self, repo: RepoSlug, release: RemoteRelease, tag: Tag, *, target: str, latest: Latest
    ) -> RemoteRelease:
        """Publish a draft. Not repeated: after a lost answer, read back before trying again.

        Tag and target are repeated because GitHub otherwise resets the tag.
        """
        document = {
            "tag_name": tag.name,
            "target_commitish": target,
            "draft": False,
            "make_latest": latest.value,
        }
        what = f"publishing {tag}"
        call = Call(what, "PATCH", self.release_url(repo, release.id), document)
        return self.wire.send(call, lambda answer: answer.parse(what, parse_release))

    def send_removal(self, repo: RepoSlug, thing: RemoteRelease | RemoteAsset) -> None:
        """Remove a draft or an asset; one that has gone already is as good as removed."""
        kind = "releases" if isinstance(thing, RemoteRelease) else "releases/assets"
        url = self.url(repo, f"{kind}/{thing.id}")
        what = f"removing {'draft' if isinstance(thing, RemoteRelease) else 'asset'} {thing.id}"
        call = Call(what, "DELETE", url, repeatable=True, absent=frozenset({404}))
        self.wire.send(call, check_removed)

    def send_attestation(self, repo: RepoSlug, bundle: dict[str, Any]) -> None:
        """Store an attestation. Not repeated: GitHub would keep the same bundle twice."""
        what = f"storing the attestation at {repo}"
        url = self.url(repo, "attestations")
        call = Call(what, "POST", url, {"bundle": bundle})
        self.wire.send(call, lambda answer: answer.parse(what, parse_stored))

    # How a question becomes a call.

    def url(self, repo: RepoSlug, rest: str = "") -> str:
        """Compose an address below a repository's."""
        root = f"{self.wire.api.url}/repos/{quote(repo.owner)}/{quote(repo.name)}"
        return f"{root}/{rest}" if rest else root

    def release_url(self, repo: RepoSlug, release_id: int) -> str:
        """Compose a release's address."""
        return self.url(repo, f"releases/{release_id}")

    def fetch_one(
        self, what: str, url: str, parse: Callable[[Any], T], absent: set[int]
    ) -> T | None:
        """Ask for one document; the statuses in `absent` mean that there is none."""

        def read(answer: Answer) -> T | None:
            return None if answer.status in absent else answer.parse(what, parse)

        call = Call(what, "GET", url, repeatable=True, absent=frozenset(absent))
        return self.wire.send(call, read)

    def fetch_list(self, what: str, url: str, parse: Callable[[Any], T]) -> Iterator[T]:
        """Ask for a list whose pages are JSON arrays."""
        return self.fetch_pages(what, url, lambda value: parse_list(value, parse), {})

    def fetch_pages(
        self, what: str, url: str, parse: Callable[[Any], list[T]], headers: Mapping[str, str]
    ) -> Iterator[T]:
        """Ask for a list, page after page; a link to another host is not followed."""
        for _ in range(MAX_PAGES):
            call = Call(what, "GET", url, headers=headers, size=PAGE_BYTES, repeatable=True)
            items, following = self.wire.send(
                call, lambda answer: (answer.parse(what, parse), answer.next_page)
            )
            yield from items
            if following is None:
                return
            if not self.wire.api.trusts(following):
                raise PublishError(f"{what} failed: the next page is said to be on another host")
            url = str(following)
        raise PublishError(f"{what} failed: the list does not end")

    def hash_once(self, call: Call) -> Sha256:
        """Download once and hash what comes, which must be as long as the asset is said to be."""
        hasher, size = hashlib.sha256(), 0
        with self.wire.open_download(call) as chunks:
            for chunk in chunks:
                hasher.update(chunk)
                size += len(chunk)
                if size > call.size:
                    break
        if size != call.size:  # an error page with status 200 has been seen
            raise AnswerLost(f"{call.what} failed: {size} bytes came in place of {call.size}")
        return Sha256(hasher.hexdigest())


def read_repository(answer: Answer) -> RemoteRepository | URL | None:
    """Read a repository, or where it has moved to; None where that is no address."""
    if answer.status in REDIRECTS:
        return join(answer.url, answer.headers.get("location", ""))
    return answer.parse("looking at the repository", parse_repository)


def check_removed(answer: Answer) -> None:
    """Require the one status that says so: a page from something in between says nothing."""
    if answer.status not in (204, 404):
        raise AnswerLost(f"a removal was answered with {answer.status}, not by GitHub")
