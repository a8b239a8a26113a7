"""Downloads a release into quarantine, or the bundle of a model; whatever arrives is unverified.

Chooses and checks names, sizes and digests as GitHub states them; the verdict comes afterwards.
https://docs.github.com/en/rest/releases, https://docs.github.com/en/rest/repos/attestations
"""

from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from release_tool.core.digest import Sha256
from release_tool.core.documents import JsonObject, encode_json, parse_json_object
from release_tool.core.errors import CannotVerify, InputError, TryAgain
from release_tool.core.files import writable
from release_tool.core.names import RepoSlug, Tag, check_asset_name
from release_tool.core.progress import SILENT, Advance, Progress
from release_tool.github.failures import clean
from release_tool.github.origin import OLDEST_VERSION
from release_tool.github.transfer import (
    OCTETS,
    Declined,
    ReadApi,
    open_stream,
    read_body,
    read_chunks,
    read_page,
)

ANSWER_LIMIT_BYTES = 8 * 1024 * 1024
PARTIAL_SUFFIX = ".part"
MAX_ATTEMPTS = 4
MAX_PAGES = 10
ASK_ELSEWHERE = "verify with --from OWNER/NAME@TAG, or with a bundle beside the file"


@dataclass(frozen=True, slots=True)
class Listed:
    """An asset as the release lists it: size in bytes and, where the server has it, digest."""

    name: str
    size: int
    digest: Sha256 | None
    url: str


def fetch_release(
    api: ReadApi,
    repo: RepoSlug,
    tag: Tag,
    limits: Mapping[str, int],
    quarantine: Path,
    *,
    optional: Collection[str] = (),
    progress: Progress = SILENT,
) -> Path:
    """Download a published release's files into `quarantine` and return that directory.

    `limits` maps their names to the bytes that each may have; the `optional` ones may be missing.
    What is there already is kept if it has the listed digest, and a partial file is resumed. Raises
    `CannotVerify` where the release or a file of it is missing or not as listed, and `TryAgain`.
    """
    listed = list_release(api, repo, tag)
    for name in limits:
        if name not in listed and name not in optional:
            raise CannotVerify(
                f"the release {repo}@{tag} has no file {name}",
                hint="name the recipe that it was made by with --recipe",
            )
    with writable(quarantine):
        quarantine.mkdir(parents=True, exist_ok=True)
        for name, limit in limits.items():
            if name in listed:
                fetch_asset(api, listed[name], quarantine / name, limit, progress)
            else:
                (quarantine / name).unlink(missing_ok=True)
    return quarantine


def fetch_one(
    api: ReadApi,
    repo: RepoSlug,
    tag: Tag,
    ending: str,
    limit_bytes: int,
    quarantine: Path,
    *,
    progress: Progress = SILENT,
) -> Path:
    """Download the one file of a published release whose name ends so; return where it is."""
    listed = list_release(api, repo, tag)
    found = [name for name in listed if name.endswith(ending)]
    if len(found) != 1:
        raise CannotVerify(
            f"the release {repo}@{tag} has {len(found) or 'no'} files *{ending}",
            hint="name the recipe that it was made by with --recipe",
        )
    try:
        path = quarantine / check_asset_name(found[0])
    except InputError as error:
        raise CannotVerify(error.message) from error
    with writable(quarantine):
        quarantine.mkdir(parents=True, exist_ok=True)
        fetch_asset(api, listed[found[0]], path, limit_bytes, progress)
    return path


def list_release(api: ReadApi, repo: RepoSlug, tag: Tag) -> dict[str, Listed]:
    """List the assets of the published release of a tag."""
    url = f"{api.api}/repos/{repo}/releases/tags/{tag}"
    try:
        content = read_body(api, url, api.ask(), ANSWER_LIMIT_BYTES)
    except Declined as error:
        if error.status != 404:
            raise
        raise CannotVerify(
            f"there is no published release {repo}@{tag}",
            hint=f"check the tag; drafts are not shown, {explain_privacy(api)}",
        ) from error
    release = parse_answer(content)
    assets = release.get("assets")
    if not isinstance(assets, list):
        raise CannotVerify("the API's answer lists no assets")
    listed = [parse_asset(asset, api) for asset in assets]
    if len({asset.name for asset in listed}) != len(listed):
        raise CannotVerify(f"the release {repo}@{tag} lists a file twice")
    return {asset.name: asset for asset in listed}


def explain_privacy(api: ReadApi) -> str:
    """Say what a private repository takes, by whether a token was sent."""
    if api.credential is None:
        return "and a private repository needs GH_TOKEN"
    return f"nor is a private repository that {api.credential.name} may not read"


def parse_answer(content: bytes) -> JsonObject:
    """Read an answer of the API."""
    try:
        return parse_json_object(content, "the API's answer")
    except InputError as error:
        raise CannotVerify(error.message) from error


def parse_asset(value: Any, api: ReadApi) -> Listed:
    """Read one asset of a release.

    With a token it is asked of the API, which knows private repositories; without one of the
    public address, which has no rate limit.
    """
    value = value if isinstance(value, dict) else {}
    url = value.get("url" if api.credential else "browser_download_url")
    name, size, digest = value.get("name"), value.get("size"), value.get("digest")
    if not isinstance(name, str) or not isinstance(size, int) or not isinstance(url, str):
        raise CannotVerify("the API's answer lists an asset without a name, a size or an address")
    try:
        return Listed(name, size, None if digest is None else Sha256.parse(str(digest)), url)
    except InputError as error:
        raise CannotVerify(f"the API's digest of {clean(name)!r} is none") from error


def fetch_asset(
    api: ReadApi, asset: Listed, target: Path, limit_bytes: int, progress: Progress
) -> None:
    """Download one asset, resuming what an earlier attempt left, until it is as listed."""
    if not 0 <= asset.size <= limit_bytes:
        raise CannotVerify(
            f"{asset.name} has {asset.size} bytes, and at most {limit_bytes} are accepted"
        )
    if asset.digest is not None and matches(target, asset):
        progress.note(f"{asset.name} is here already")
        return
    partial = target.with_name(target.name + PARTIAL_SUFFIX)
    if asset.digest is None:
        # Nothing tells whether an earlier part, or a file of that size, belongs to this asset.
        partial.unlink(missing_ok=True)
    failure: TryAgain | None = None
    with progress.bar(asset.name, asset.size) as advance:
        for _ in range(MAX_ATTEMPTS):
            try:
                append(api, asset, partial, advance)
            except TryAgain as error:
                failure = error
                continue
            if matches(partial, asset):
                # Nothing is made durable here: it is hashed again where it is installed.
                partial.replace(target)
                return
            failure = None
            partial.unlink(missing_ok=True)
    if failure is not None:
        raise failure
    raise CannotVerify(f"{asset.name} does not arrive with the size and digest that GitHub lists")


def matches(path: Path, asset: Listed) -> bool:
    """Tell whether a file has the listed size and, where there is one, the listed digest."""
    with suppress(InputError, OSError):
        if path.stat().st_size == asset.size:
            return asset.digest is None or Sha256.of_file(path) == asset.digest
    return False


def append(api: ReadApi, asset: Listed, partial: Path, advance: Advance) -> None:
    """Get what is missing of a partial file; a server that ignores the range starts it anew."""
    have = partial.stat().st_size if partial.exists() else 0
    if have > asset.size:
        partial.unlink()
        have = 0
    if have == asset.size and have:
        return
    headers = {**OCTETS, "Range": f"bytes={have}-"} if have else OCTETS
    with open_stream(api, asset.url, headers) as response:
        resumed = response.status_code == 206
        if resumed and not response.headers.get("content-range", "").startswith(f"bytes {have}-"):
            partial.unlink(missing_ok=True)
            raise TryAgain(f"{response.url.host} sent another part of {asset.name} than was asked")
        start = have if resumed else 0
        advance(start)
        with partial.open("ab" if resumed else "wb") as sink:
            for chunk in read_chunks(api, response, asset.size - start):
                sink.write(chunk)
                advance(len(chunk))


def fetch_release_bundle(
    api: ReadApi,
    repo: RepoSlug,
    tag: Tag,
    name: str,
    limit_bytes: int,
) -> bytes:
    """Return the bundle called `name` of a release, to verify a model that is here already."""
    asset = list_release(api, repo, tag).get(name)
    if asset is None:
        raise CannotVerify(f"the release {repo}@{tag} has no file {name}")
    content = read_body(api, asset.url, OCTETS, limit_bytes)
    if asset.digest is not None and Sha256.of_bytes(content) != asset.digest:
        actual = Sha256.of_bytes(content)
        raise CannotVerify(f"digest of {name}: expected {asset.digest}, actual {actual}")
    return content


def fetch_attestations(
    api: ReadApi,
    repo: RepoSlug,
    digest: Sha256,
) -> tuple[bytes, ...]:
    """Return the bundles that GitHub keeps for a digest, at least one, in GitHub's order."""
    hint = ASK_ELSEWHERE
    try:
        found = list_attestations(api, repo, digest)
    except Declined as error:
        if error.status != 404:
            raise
        raise CannotVerify(f"{repo} has no attestation of {digest}", hint=hint) from error
    if not found:
        raise CannotVerify(f"{repo} has no attestation of {digest}", hint=hint)
    bundles = [item.get("bundle") for item in found]
    encoded = tuple(encode_json(bundle) for bundle in bundles if isinstance(bundle, dict))
    if not encoded:
        text = f"{repo} has {len(found)} attestations of {digest}, and none with its bundle"
        raise CannotVerify(text, hint=hint)
    return encoded


def fetch_release_attestations(api: ReadApi, repo: RepoSlug, digest: Sha256) -> tuple[bytes, ...]:
    """Return what GitHub itself attests of immutable releases that have a file of this digest.

    Nothing where GitHub has none, or does not tell: nobody demands them.
    """
    try:
        found = list_attestations(api, repo, digest, "&predicate_type=release")
    except (Declined, CannotVerify, TryAgain):
        return ()
    bundles = (item.get("bundle") for item in found)
    return tuple(encode_json(bundle) for bundle in bundles if isinstance(bundle, dict))


def list_attestations(
    api: ReadApi, repo: RepoSlug, digest: Sha256, kind: str = ""
) -> list[JsonObject]:
    """List what GitHub keeps for a digest; raises `CannotVerify` for more than are read.

    `kind` narrows the question.

    One that is left out may say no, and whoever may store attestations decides how many there are.
    """
    url: str | None = f"{api.api}/repos/{repo}/attestations/{digest}?per_page=30{kind}"
    headers = api.ask(OLDEST_VERSION)  # a newer one leaves the bundles themselves out
    found: list[JsonObject] = []
    for _ in range(MAX_PAGES):
        if url is None:
            break
        content, url = read_page(api, url, headers, ANSWER_LIMIT_BYTES)
        listed = parse_answer(content).get("attestations")
        items = listed if isinstance(listed, list) else []
        found += [item for item in items if isinstance(item, dict)]
    if url is not None:
        raise CannotVerify(
            f"{repo} has more attestations of {digest} than are read, which are {len(found)}",
            hint=ASK_ELSEWHERE,
        )
    return found
