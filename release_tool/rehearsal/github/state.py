"""What the GitHub stand-in remembers: releases, assets in files, tags, burnt names, attestations.

The rules are GitHub's as far as releases go; HTTP is the business of `routes.py`.
"""

import base64
import hashlib
import json
import re
import secrets
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from release_tool.rehearsal.exchange import Refusal
from release_tool.rehearsal.github.attesting import PREDICATE, attest_release
from release_tool.rehearsal.github.settings import Settings

UPLOADED = "uploaded"
STARTER = "starter"
PREDICATES = {"provenance": "https://slsa.dev/provenance/v1", "release": PREDICATE}
"""Short names of what an attestation may claim, as far as any is made here."""
BAD_CHARACTERS = re.compile(r"[^A-Za-z0-9._-]+")
VERSION = re.compile(r"v?(\d{1,9})\.(\d{1,9})\.(\d{1,9})(?:[-+].*)?")
BAD_TAG = re.compile(r"[\s~^:?*\[\\]|\.\.|^[-/.]|[/.]$|//|@\{")


@dataclass(slots=True)
class Asset:
    """A file of a release; in the state `starter` its upload is under way or broke off."""

    id: int
    name: str
    path: Path
    content_type: str
    state: str = STARTER
    size: int = 0
    digest: str | None = None
    label: str | None = None
    downloads: int = 0
    created_at: str = ""


@dataclass(slots=True)
class Release:
    """A release, or a draft of one; `hidden` counts the listings that it is still missing from."""

    id: int
    tag: str
    target: str
    name: str | None
    body: str | None
    draft: bool
    prerelease: bool
    created_at: str
    published_at: str | None = None
    immutable: bool = False
    hidden: int = 0
    assets: dict[int, Asset] = field(default_factory=dict)


@dataclass(slots=True)
class GitHubState:
    """One repository; every method is called with `lock` held, except for the copying of bytes.

    `commits` maps branches and commit ids to commit ids; `list_lag` is how many listings a new
    draft is missing from; `push` is what the token's owner may do, `scopes` what GitHub tells of
    the token itself, which is nothing unless it is a classic one. A `private` repository is hidden
    from whoever sends no token; with `sign_on` its organisation takes no token that was not
    authorised for it, and none was.
    """

    directory: Path
    owner: str
    name: str
    default_branch: str = "main"
    commits: dict[str, str] = field(default_factory=dict)
    old_names: set[str] = field(default_factory=set)
    push: bool = True
    scopes: str | None = None
    private: bool = False
    sign_on: bool = False
    archived: bool = False
    immutable_setting: bool = False
    list_lag: int = 0
    releases: dict[int, Release] = field(default_factory=dict)
    tags: dict[str, str] = field(default_factory=dict)
    burnt: set[str] = field(default_factory=set)
    attestations: list[tuple[set[str], dict[str, Any]]] = field(default_factory=list)
    attester: Callable[[bytes, str], bytes] | None = None
    latest: int | None = None
    settings: Settings = field(default_factory=Settings)
    lock: threading.RLock = field(default_factory=threading.RLock)
    counter: int = 1000

    def __post_init__(self) -> None:
        head = hashlib.sha1(f"{self.owner}/{self.name}".encode(), usedforsecurity=False)
        self.commits.setdefault(self.default_branch, head.hexdigest())

    def next_id(self) -> int:
        """Give a number that no other thing here has."""
        self.counter += 1
        return self.counter

    def find_release(self, release_id: int, *, drafts: bool) -> Release:
        """Find a release by id; drafts only for those who may see them."""
        release = self.releases.get(release_id)
        if release is None or (release.draft and not drafts):
            raise Refusal(404, "Not Found")
        return release

    def find_published(self, tag: str) -> Release | None:
        """Find the published release of a tag."""
        found = [item for item in self.releases.values() if not item.draft and item.tag == tag]
        return found[0] if found else None

    def find_asset(self, asset_id: int, *, drafts: bool) -> tuple[Release, Asset]:
        """Find an asset by id, with its release."""
        for release in self.releases.values():
            if asset_id in release.assets and (drafts or not release.draft):
                return release, release.assets[asset_id]
        raise Refusal(404, "Not Found")

    def find_commit(self, ref: str) -> str | None:
        """Find what a branch, a tag (also as `tags/NAME`) or a commit id stands for."""
        if ref in self.commits.values():
            return ref
        short = ref.removeprefix("refs/")
        tag = self.tags.get(short.removeprefix("tags/"))
        return tag or self.commits.get(short.removeprefix("heads/"))

    def list_releases(self, *, drafts: bool) -> list[Release]:
        """List releases, the newest first; new drafts lag behind."""
        listed = []
        for release in sorted(self.releases.values(), key=lambda item: -item.id):
            if release.hidden:
                release.hidden -= 1
            elif drafts or not release.draft:
                listed.append(release)
        return listed

    def make_release(self, document: Mapping[str, Any]) -> Release:
        """Make a release from the body of a POST; as a draft unless it says otherwise."""
        tag = document.get("tag_name")
        if not isinstance(tag, str) or not tag or BAD_TAG.search(tag):
            raise invalid("Release", "tag_name", "custom", "tag_name is not a valid tag")
        self.check_workflows(tag, document.get("target_commitish"))
        draft = bool(document.get("draft", False))
        release = Release(
            id=self.next_id(),
            tag=tag,
            target=document.get("target_commitish") or self.default_branch,
            name=document.get("name"),
            body=document.get("body"),
            draft=True,
            prerelease=bool(document.get("prerelease", False)),
            created_at=now(),
            hidden=self.list_lag if draft else 0,
        )
        if not draft:
            self.publish(release, document)
        self.releases[release.id] = release
        return release

    def check_workflows(self, tag: str, target: str | None) -> None:
        """Refuse a new tag where the workflow files are not those of the default branch's head.

        Only a token with the permission `workflows` may make it, and GITHUB_TOKEN never has that
        (reported by many, for instance in cli/cli#9514).
        """
        head = self.commits[self.default_branch]
        commit = self.find_commit(target) if target else head
        if tag in self.tags or commit is None or self.settings.may_change_workflows:
            return
        if self.settings.workflows_at(commit) != self.settings.workflows_at(head):
            needed = "contents=write; contents=write,workflows=write"
            headers = {"X-Accepted-GitHub-Permissions": needed}
            raise Refusal(403, "Resource not accessible by integration", headers=headers)

    def change_release(self, release: Release, document: Mapping[str, Any]) -> Release:
        """Change a release; a draft loses its tag and target unless both are repeated."""
        tag, target = document.get("tag_name"), document.get("target_commitish")
        if release.draft:
            self.check_workflows(tag or release.tag, target)
            release.tag = tag or f"untagged-{secrets.token_hex(10)}"
            release.target = target or self.default_branch
        elif tag not in (None, release.tag):
            raise invalid("Release", "tag_name", "custom", "tag_name cannot be changed")
        for name in ("name", "body", "prerelease"):
            if name in document:
                setattr(release, name, document[name])
        if release.draft and document.get("draft") is False:
            self.publish(release, document)
        elif not release.draft and document.get("draft") is True:
            raise invalid("Release", "draft", "custom", "a published release stays published")
        return release

    def publish(self, release: Release, document: Mapping[str, Any]) -> None:
        """Make a release visible: its tag must be valid, free and never burnt."""
        if self.find_published(release.tag) is not None:
            raise invalid("Release", "tag_name", "already_exists")
        if release.tag in self.burnt:
            text = "tag_name was used by an immutable release"
            raise invalid("Release", "tag_name", "custom", text)
        if release.tag.startswith("untagged-"):
            text = "Published releases must have a valid tag"
            raise invalid("Release", "tag_name", "custom", text)
        commit = self.tags.get(release.tag) or self.find_commit(release.target)
        if commit is None:
            raise invalid("Release", "target_commitish", "invalid")
        if release.tag not in self.tags and self.settings.forbids(release.tag):
            text = (
                "pre_receive Repository rule violations found\n\n"
                "Cannot create ref due to creations being restricted.\n\n"
            )
            raise invalid("Release", "pre_receive", "custom", text)
        self.tags[release.tag] = commit
        release.draft, release.hidden, release.published_at = False, 0, now()
        self.choose_latest(release, document.get("make_latest", "true"))
        if self.immutable_setting:
            release.immutable = True
            self.burnt.add(release.tag)
            attest_release(self, release, commit)

    def choose_latest(self, release: Release, wish: Any) -> None:
        """Mark the latest release as `make_latest` asks for it.

        Never a prerelease; by `legacy` the one with the highest version, else the newest.
        """
        if wish not in ("true", "false", "legacy"):
            raise invalid("Release", "make_latest", "invalid")
        if wish == "true" and not release.prerelease:
            self.latest = release.id
        if wish == "legacy":
            full = [
                one
                for one in (*self.releases.values(), release)
                if not (one.draft or one.prerelease)
            ]
            latest = max(full, key=lambda one: (read_version(one.tag), one.id), default=None)
            self.latest = self.latest if latest is None else latest.id

    def remove_release(self, release: Release) -> None:
        """Remove a release; its git tag stays, and a burnt name stays burnt."""
        for asset in release.assets.values():
            asset.path.unlink(missing_ok=True)
        del self.releases[release.id]

    def start_asset(self, release: Release, name: str, content_type: str) -> Asset:
        """Enter an asset whose bytes are still to come; GitHub changes names that it dislikes."""
        if release.immutable:
            raise Refusal(422, "Cannot upload assets to an immutable release.", errors=[])
        legal = BAD_CHARACTERS.sub(".", name)
        legal = f"default{legal}" if legal.startswith(".") else legal
        if not legal or any(asset.name == legal for asset in release.assets.values()):
            raise invalid("ReleaseAsset", "name", "already_exists" if legal else "missing_field")
        asset_id = self.next_id()
        asset = Asset(asset_id, legal, self.directory / str(asset_id), content_type)
        asset.created_at = now()
        release.assets[asset_id] = asset
        return asset

    def finish_asset(self, release: Release, asset: Asset, size: int, digest: str) -> None:
        """Declare an asset's bytes complete, unless it or its release has gone meanwhile."""
        if self.releases.get(release.id) is not release or asset.id not in release.assets:
            asset.path.unlink(missing_ok=True)
            raise Refusal(404, "Not Found")
        asset.state, asset.size, asset.digest = UPLOADED, size, f"sha256:{digest}"

    def remove_asset(self, release: Release, asset: Asset) -> None:
        """Remove an asset, whole or broken."""
        if release.immutable:
            raise Refusal(422, "Cannot delete asset from an immutable release", errors=[])
        asset.path.unlink(missing_ok=True)
        del release.assets[asset.id]

    def store_attestation(self, bundle: Any) -> int:
        """Store a DSSE bundle under the digests of its statement's subjects."""
        try:
            statement = read_statement(bundle)
            digests = {f"sha256:{item['digest']['sha256']}" for item in statement["subject"]}
        except (KeyError, TypeError, ValueError) as error:
            raise Refusal(422, "Invalid bundle", errors=[]) from error
        self.attestations.append((digests, bundle))
        return len(self.attestations)

    def find_attestations(self, digest: str, predicate: str | None) -> list[dict[str, Any]]:
        """Find the bundles about a digest, all of them or those of one predicate type."""
        wanted = predicate and PREDICATES.get(predicate, predicate)
        return [
            bundle
            for digests, bundle in self.attestations
            if digest in digests and wanted in (None, read_statement(bundle).get("predicateType"))
        ]


def read_statement(bundle: Any) -> dict[str, Any]:
    """Read the in-toto statement out of a DSSE bundle; raises as its parts do."""
    statement = json.loads(base64.b64decode(bundle["dsseEnvelope"]["payload"]))
    if not isinstance(statement, dict):
        raise TypeError("a statement that is no object")
    return statement


def read_version(tag: str) -> tuple[int, ...]:
    """Read a tag's version; empty, which is the lowest, where it is none."""
    found = VERSION.fullmatch(tag)
    return () if found is None else tuple(int(part) for part in found.groups())


def invalid(resource: str, field_name: str, code: str, message: str | None = None) -> Refusal:
    """Word a refusal of a field as GitHub does (422)."""
    error = {"resource": resource, "code": code, "field": field_name}
    if message is not None:
        error["message"] = message
    return Refusal(422, "Validation Failed", errors=[error])


def now() -> str:
    """Give the time as GitHub writes it."""
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
