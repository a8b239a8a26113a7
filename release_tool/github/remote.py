"""What GitHub says of repositories, releases and assets, parsed strictly at the border.

Values only; fetching them is the business of `github.py`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.core.names import COMMIT, CommitId, Tag

T = TypeVar("T")
TEXT_LIMIT = 1024 * 1024
UPLOADED = "uploaded"


@dataclass(frozen=True, slots=True)
class RemoteAsset:
    """An asset as the server describes it; `digest` is None where the server computed none.

    Only the state `uploaded` is good; `starter` is an upload that is under way or broke off.
    """

    id: int
    name: str
    state: str
    size: int
    digest: Sha256 | None
    created_at: float


@dataclass(frozen=True, slots=True)
class RemoteRelease:
    """A release as the server describes it; `tag` is raw, GitHub may have made up its own."""

    id: int
    tag: str
    target: str
    draft: bool
    immutable: bool
    body: str
    url: str
    upload_url: str
    assets: tuple[RemoteAsset, ...]


@dataclass(frozen=True, slots=True)
class RemoteRepository:
    """A repository; `push` is None where the server does not say what the token may do.

    `private` is everything that not everybody may see: GitHub's private and internal repositories.
    """

    full_name: str
    default_branch: str
    push: bool | None
    archived: bool
    private: bool


@dataclass(frozen=True, slots=True)
class DraftRelease:
    """A complete release that nobody sees yet."""

    id: int
    tag: Tag
    url: str


@dataclass(frozen=True, slots=True)
class PublishedRelease:
    """A release that everybody sees; `already` where an earlier run had published these bytes."""

    id: int
    tag: Tag
    url: str
    already: bool
    immutable: bool = False


def parse_repository(value: Any) -> RemoteRepository:
    """Read a repository from GitHub's JSON; raises `InputError`."""
    document = an_object(value, "repository")
    permissions = document.get("permissions")
    push = permissions.get("push") if isinstance(permissions, dict) else None
    return RemoteRepository(
        full_name=field(document, "full_name", str),
        default_branch=field(document, "default_branch", str),
        push=push if isinstance(push, bool) else None,
        archived=document.get("archived") is True,
        private=document.get("private") is not False,
    )


def parse_release(value: Any) -> RemoteRelease:
    """Read a release from GitHub's JSON; raises `InputError`."""
    document = an_object(value, "release")
    return RemoteRelease(
        id=field(document, "id", int),
        tag=field(document, "tag_name", str),
        target=field(document, "target_commitish", str),
        draft=field(document, "draft", bool),
        immutable=document.get("immutable") is True,
        body=optional_text(document, "body"),
        url=field(document, "html_url", str),
        upload_url=field(document, "upload_url", str),
        assets=tuple(parse_list(document.get("assets"), parse_asset)),
    )


def parse_asset(value: Any) -> RemoteAsset:
    """Read an asset from GitHub's JSON; raises `InputError`."""
    document = an_object(value, "asset")
    return RemoteAsset(
        id=field(document, "id", int),
        name=field(document, "name", str),
        state=field(document, "state", str),
        size=field(document, "size", int),
        digest=parse_digest(document.get("digest")),
        created_at=parse_time(field(document, "created_at", str)),
    )


def parse_commit(value: Any) -> CommitId:
    """Read a commit's id from GitHub's JSON; raises `InputError`."""
    sha = field(an_object(value, "commit"), "sha", str)
    if not COMMIT.fullmatch(sha):
        raise InputError("a commit without an id")
    return CommitId(sha)


def parse_enabled(value: Any) -> bool:
    """Read a setting of the form `{"enabled": true}`; raises `InputError`."""
    return field(an_object(value, "setting"), "enabled", bool)


def parse_stored(value: Any) -> int:
    """Read the id that GitHub gives to something it has stored; raises `InputError`."""
    return field(an_object(value, "receipt"), "id", int)


def parse_attestations(value: Any) -> list[dict[str, Any] | None]:
    """Read one page of attestations: each one's bundle, or None where GitHub leaves it out."""
    document = an_object(value, "page of attestations")

    def parse(item: Any) -> dict[str, Any] | None:
        bundle = an_object(item, "attestation").get("bundle")
        return bundle if isinstance(bundle, dict) else None

    return parse_list(document.get("attestations"), parse)


def parse_digest(value: Any) -> Sha256 | None:
    """Read a digest; an absent one, or one of another kind, is None and must be measured."""
    try:
        return Sha256.parse(value) if isinstance(value, str) else None
    except InputError:
        return None


def parse_time(text: str) -> float:
    """Read a moment (RFC 3339, with its zone) as Unix seconds."""
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            raise ValueError("no time zone")
        return moment.timestamp()
    except (ValueError, OverflowError) as error:
        raise InputError(f"not a moment: {text[:40]!r}") from error


def parse_list(value: Any, parse: Callable[[Any], T]) -> list[T]:
    """Read a JSON array, item by item; raises `InputError`."""
    if not isinstance(value, list):
        raise InputError("a list is missing")
    return [parse(item) for item in value]


def an_object(value: Any, what: str) -> Mapping[str, Any]:
    """Require a JSON object."""
    if not isinstance(value, dict):
        raise InputError(f"a {what} that is not an object")
    return value


def field(document: Mapping[str, Any], name: str, kind: type[T]) -> T:
    """Require a field of exactly one kind (a truth value is no number), of sane size."""
    value = document.get(name)
    if type(value) is not kind or (isinstance(value, str) and len(value) > TEXT_LIMIT):
        raise InputError(f"the field {name} is missing or not of type {kind.__name__}")
    if isinstance(value, int) and not 0 <= value < 2**63:
        raise InputError(f"the field {name} is out of range")
    return value


def optional_text(document: Mapping[str, Any], name: str) -> str:
    """Read a text that may be null or absent."""
    return "" if document.get(name) is None else field(document, name, str)
