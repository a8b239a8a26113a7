"""The GitHub stand-in's answers: one method a call, over the state and its rules.

Who may ask is checked here; `standin.py` has calls fail and keeps the log.
"""

import hashlib
import json
import re
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from release_tool.core.documents import parse_json_object
from release_tool.rehearsal.exchange import CHUNK_BYTES, Disconnect, Refusal, Request, Response
from release_tool.rehearsal.github.faults import FaultKind
from release_tool.rehearsal.github.shapes import API_VERSIONS, REPOSITORY_ID, Shapes, compress
from release_tool.rehearsal.github.state import Asset, GitHubState, Release

T = TypeVar("T")

RANGE = re.compile(r"bytes=(\d{1,15})-")
BYTES_TYPE = "application/octet-stream"
SIGN_ON = (
    "Resource protected by organization SAML enforcement. You must grant your Personal Access "
    "token access to this organization."
)


@dataclass(frozen=True, slots=True)
class Cue:
    """What is to happen to one call: a fault or none, and what to call when it is half done."""

    fault: FaultKind | None
    halfway: Callable[[], None]


@dataclass(slots=True)
class GitHubRoutes:
    """Answers calls; `content_url` is the other origin that downloads are redirected to."""

    shapes: Shapes
    state: GitHubState
    token: str
    content_url: str
    keys: dict[str, tuple[Asset, str]] = field(default_factory=dict)
    bundles: dict[str, bytes] = field(default_factory=dict)

    # Who asks.

    def may_push(self, request: Request) -> bool:
        """Tell whether the token may write; raises `Refusal` for one that is not the right one."""
        given = request.headers.get("Authorization")
        if given is None:
            return False
        if given not in (f"Bearer {self.token}", f"token {self.token}"):
            raise Refusal(401, "Bad credentials")
        return self.state.push

    def require_push(self, request: Request) -> None:
        """Refuse to write for those who may only read; GitHub answers 401 or a hiding 404."""
        if request.headers.get("Authorization") is None:
            raise Refusal(401, "Requires authentication")
        if not self.may_push(request):
            raise Refusal(404, "Not Found")
        if self.state.archived:
            raise Refusal(403, "Repository was archived so is read-only.")

    def check_request(self, request: Request) -> None:
        """Check what GitHub checks of every call: the client's name, the version, the repository.

        Names are compared as GitHub does, without regard to case; an old one answers 301.
        """
        if not request.headers.get("User-Agent"):
            raise Refusal(403, "Request forbidden by administrative rules.")
        self.check_visibility(request)
        version = read_version(request)
        if version not in self.shapes.places.versions:
            raise Refusal(400, f"{version} is not a supported version")
        asked = f"{request.parameters.get('owner')}/{request.parameters.get('repo')}".lower()
        if "owner" not in request.parameters or asked == self.shapes.slug.lower():
            return
        if asked in {name.lower() for name in self.state.old_names}:
            place = f"{self.shapes.api}/repositories/{REPOSITORY_ID}"
            raise Refusal(301, "Moved Permanently", headers={"Location": place})
        raise Refusal(404, "Not Found")

    def check_visibility(self, request: Request) -> None:
        """Hide what is private, and refuse every token where nobody signed on for theirs."""
        given = request.headers.get("Authorization")
        if given is not None and self.state.sign_on:
            sso = f"required; url={self.shapes.web}/orgs/{self.state.owner}/sso"
            raise Refusal(403, SIGN_ON, headers={"X-GitHub-SSO": sso})
        if self.state.private and given is None:
            raise Refusal(404, "Not Found")

    # Questions.

    def repository(self, request: Request) -> Response:
        """GET /repos/{owner}/{repo}, and /repositories/{id}."""
        answer = Response.of_json(self.shapes.repository(push=self.may_push(request)))
        if self.state.scopes is None:
            return answer
        return replace(answer, headers={**answer.headers, "X-OAuth-Scopes": self.state.scopes})

    def releases(self, request: Request) -> Response:
        """GET …/releases: drafts only for those who may push, silently."""
        listed = self.state.list_releases(drafts=self.may_push(request))
        page, links = paginate(request, f"{self.shapes.root}/releases", listed)
        return shape_page([self.shapes.release(item) for item in page], links)

    def release_by_tag(self, request: Request) -> Response:
        """GET …/releases/tags/{tag}: published releases only, whoever asks."""
        self.may_push(request)
        found = self.state.find_published(request.parameters["tag"])
        if found is None:
            raise Refusal(404, "Not Found")
        return Response.of_json(self.shapes.release(found))

    def release(self, request: Request) -> Response:
        """GET …/releases/{id}."""
        return Response.of_json(self.shapes.release(self.named_release(request)))

    def assets(self, request: Request) -> Response:
        """GET …/releases/{id}/assets."""
        release = self.named_release(request)
        url = f"{self.shapes.root}/releases/{release.id}/assets"
        page, links = paginate(request, url, list(release.assets.values()))
        return shape_page([self.shapes.asset(release, item) for item in page], links)

    def asset(self, request: Request) -> Response:
        """GET …/releases/assets/{id}: its description, or a redirect to its bytes."""
        drafts = self.may_push(request)
        release, asset = self.state.find_asset(number(request, "asset"), drafts=drafts)
        if BYTES_TYPE in request.headers.get("Accept", ""):
            return self.redirect(asset)
        return Response.of_json(self.shapes.asset(release, asset))

    def download(self, request: Request) -> Response:
        """GET /{owner}/{repo}/releases/download/{tag}/{name}: of published releases, for all."""
        release = self.state.find_published(request.parameters["tag"])
        assets = release.assets.values() if release else ()
        for asset in assets:
            if asset.name == request.parameters["name"]:
                return self.redirect(asset)
        raise Refusal(404, "Not Found")

    def redirect(self, asset: Asset) -> Response:
        """Send a download to the other origin, with a key in the query that opens one asset."""
        if asset.state != "uploaded":
            raise Refusal(404, "Not Found")
        key = secrets.token_urlsafe(16)
        asset.downloads += 1
        self.keys[key] = (asset, asset.name)
        return Response(302, {"Location": f"{self.content_url}/content/{asset.id}?key={key}"})

    def content(self, request: Request) -> Response:
        """Give an asset's bytes on the other origin, from where the client has got to."""
        self.check_stranger(request)
        asset, _ = self.keys.get(request.query.get("key", ""), (None, ""))
        if asset is None or str(asset.id) != request.parameters["asset"]:
            raise Refusal(403, "The key opens nothing here")
        try:
            stream = asset.path.open("rb")
        except FileNotFoundError as error:
            raise Refusal(404, "Not Found") from error
        headers = {"Content-Type": BYTES_TYPE, "Accept-Ranges": "bytes"}
        wanted = RANGE.fullmatch(request.headers.get("Range", ""))
        if wanted is None or not 0 < int(wanted[1]) < asset.size:
            return Response(200, headers, stream, asset.size)
        start = stream.seek(int(wanted[1]))
        headers["Content-Range"] = f"bytes {start}-{asset.size - 1}/{asset.size}"
        return Response(206, headers, stream, asset.size - start)

    def check_stranger(self, request: Request) -> None:
        """Refuse a token on the other origin, as the storage behind GitHub does."""
        if request.headers.get("Authorization") is not None:
            raise Refusal(400, "Only one authentication mechanism is allowed")

    def commit(self, request: Request) -> Response:
        """GET …/commits/{ref}: a branch, a commit, or tags/NAME."""
        self.may_push(request)
        ref = request.parameters["ref"]
        sha = self.state.find_commit(ref)
        if sha is None:
            raise Refusal(422, f"No commit found for SHA: {ref}", errors=[])
        return Response.of_json(self.shapes.commit(sha))

    def immutable(self, request: Request) -> Response:
        """GET …/immutable-releases: 404 where it is off, as GitHub has it."""
        self.require_push(request)
        if not self.state.immutable_setting:
            raise Refusal(404, "Not Found")
        return Response.of_json({"enabled": True, "enforced_by_owner": False})

    def attestations(self, request: Request) -> Response:
        """GET …/attestations/{subject_digest}."""
        self.may_push(request)
        digest = request.parameters["digest"]
        found = self.state.find_attestations(digest, request.query.get("predicate_type"))
        listed = []
        for bundle in found:
            key = secrets.token_urlsafe(16)
            self.bundles[key] = compress(json.dumps(bundle).encode())
            url = f"{self.content_url}/attestations?key={key}"
            listed.append(self.shapes.attestation(bundle, url, read_version(request)))
        return Response.of_json({"attestations": listed})

    def bundle(self, request: Request) -> Response:
        """Give an attestation's bundle on the other origin, compressed."""
        self.check_stranger(request)
        content = self.bundles.get(request.query.get("key", ""))
        if content is None:
            raise Refusal(403, "The key opens nothing here")
        return Response(200, {"Content-Type": "application/x-snappy"}, content)

    # Orders.

    def make_draft(self, request: Request) -> Response:
        """POST …/releases."""
        self.require_push(request)
        shaped = self.shapes.release(self.state.make_release(read_document(request)))
        return Response.of_json(shaped, status=201, Location=str(shaped["url"]))

    def change(self, request: Request, document: Mapping[str, Any]) -> Response:
        """PATCH …/releases/{id}."""
        self.require_push(request)
        changed = self.state.change_release(self.named_release(request), document)
        return Response.of_json(self.shapes.release(changed))

    def remove_release(self, request: Request) -> Response:
        """DELETE …/releases/{id}."""
        self.require_push(request)
        self.state.remove_release(self.named_release(request))
        return Response(204)

    def remove_asset(self, request: Request) -> Response:
        """DELETE …/releases/assets/{id}."""
        self.require_push(request)
        release, asset = self.state.find_asset(number(request, "asset"), drafts=True)
        self.state.remove_asset(release, asset)
        return Response(204)

    def attest(self, request: Request) -> Response:
        """POST …/attestations."""
        self.require_push(request)
        stored = self.state.store_attestation(read_document(request).get("bundle"))
        return Response.of_json({"id": stored}, status=201)

    def upload(self, request: Request, cue: Cue) -> Response:
        """POST …/releases/{id}/assets: enter it, copy the bytes without the lock, declare it good.

        An upload that breaks off leaves its entry behind, in the state `starter`.
        """
        with self.state.lock:
            self.require_push(request)
            release = self.named_release(request)
            if not request.body.length:
                raise Refusal(400, "Bad Content-Length")
            name = request.query.get("name", "")
            named = f"renamed-{name}" if cue.fault is FaultKind.RENAMED else name
            kind = request.headers.get("Content-Type", BYTES_TYPE)
            asset = self.state.start_asset(release, named, kind)
            asset.label = request.query.get("label")
        digest = self.copy(request, asset, cue)
        with self.state.lock:
            self.state.finish_asset(release, asset, request.body.length, digest)
            if cue.fault is FaultKind.NULL_DIGEST:
                asset.digest = None
            if cue.fault is FaultKind.WRONG_DIGEST:
                asset.digest = f"sha256:{'0' * 64}"
            return Response.of_json(self.shapes.asset(release, asset), status=201)

    def copy(self, request: Request, asset: Asset, cue: Cue) -> str:
        """Write an upload's bytes to the asset's file and return their SHA-256, in hex."""
        hasher = hashlib.sha256()
        with asset.path.open("wb") as file:
            half = request.body.length // 2
            while request.body.remaining > half:
                chunk = request.body.read(min(CHUNK_BYTES, request.body.remaining - half))
                hasher.update(chunk)
                file.write(chunk)
            cue.halfway()
            if cue.fault is FaultKind.RESET:
                raise Disconnect
            for chunk in request.body.chunks():
                hasher.update(chunk)
                file.write(chunk)
        if cue.fault is FaultKind.ZOMBIE:
            raise Refusal(502, "Bad Gateway")
        return hasher.hexdigest()

    def named_release(self, request: Request) -> Release:
        """Find the release that a path names, if the one who asks may see it."""
        drafts = self.may_push(request)
        return self.state.find_release(number(request, "release"), drafts=drafts)


def read_document(request: Request) -> dict[str, Any]:
    """Read a JSON body, which the server has limited in size already."""
    return parse_json_object(request.body.read(), "the body")


def read_version(request: Request) -> str:
    """Read the version of the API that is asked for; none is the oldest."""
    return str(request.headers.get("X-GitHub-Api-Version", API_VERSIONS[0]))


def number(request: Request, name: str) -> int:
    """Read a number in a path; anything else is not found."""
    text = request.parameters[name]
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise Refusal(404, "Not Found")
    return int(text)


def paginate(request: Request, url: str, items: list[T]) -> tuple[list[T], str]:
    """Cut a list to one page, with the Link header that leads to the next."""
    try:
        size = min(max(int(request.query.get("per_page", "30")), 1), 100)
        page = max(int(request.query.get("page", "1")), 1)
    except ValueError:
        size, page = 30, 1
    part = items[(page - 1) * size : page * size]
    if page * size >= len(items):
        return part, ""
    last = -(-len(items) // size)
    links = ((page + 1, "next"), (last, "last"))
    return part, ", ".join(
        f'<{url}?per_page={size}&page={to}>; rel="{relation}"' for to, relation in links
    )


def shape_page(items: list[dict[str, Any]], links: str) -> Response:
    """Word one page of a list, with its links where there are any."""
    answer = Response.of_json(items)
    headers = {**answer.headers, "Link": links} if links else answer.headers
    return Response(200, headers, answer.body)
