"""A stand-in for GitHub on 127.0.0.1, as far as releases go: stateful, and able to fail as told.

It shares no code with the client in `release_tool/github`, and so none of its misunderstandings.
"""

import contextlib
import secrets
import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from release_tool.core.files import temporary_directory
from release_tool.core.names import RepoSlug
from release_tool.rehearsal.exchange import Answer, Refusal, Request, Response
from release_tool.rehearsal.github.faults import CallKind, Fault, FaultKind, find_fault, suffer
from release_tool.rehearsal.github.routes import Cue, GitHubRoutes, read_document
from release_tool.rehearsal.github.settings_routes import SettingsRoutes
from release_tool.rehearsal.github.shapes import Places, Shapes, shape_error
from release_tool.rehearsal.github.state import GitHubState
from release_tool.rehearsal.outages import Outage
from release_tool.rehearsal.server import LoopbackServer, Route

__all__ = ["CallKind", "Fault", "FaultKind", "GitHubStandIn", "LoggedRequest", "start_github"]

MAX_UPLOAD_BYTES = 2 * 1024**3
MAX_BUNDLE_BYTES = 16 * 1024**2
REPO = "/repos/{owner}/{repo}"
RELEASES = f"{REPO}/releases"
DOWNLOAD = "/{owner}/{repo}/releases/download/{tag}/{name}"

Call = tuple[str, str, CallKind, Callable[[Request], Response], int | None]
"""Method, pattern, kind, what answers it, and the largest body if it is not the server's."""


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """A request as it came, headers unredacted; `origin` is `api` or `content`."""

    number: int
    origin: str
    kind: CallKind
    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]


Watch = Callable[[str, LoggedRequest], None]
LayOut = Callable[["GitHubStandIn", GitHubRoutes], list[Route]]
"""What gives the routes that are to be served beside those of a release."""


@dataclass(slots=True)
class GitHubStandIn:
    """A running stand-in: its addresses and token, its state, and the log of what it was asked.

    `faults` may be changed while it runs. `watch` is called for each request when it was
    `received` (nothing is done yet), when it was `performed` (nothing is answered yet), and for an
    upload `halfway` between the two; it may hold the request, or raise `Disconnect`.
    """

    repo: str
    token: str
    state: GitHubState
    faults: list[Fault]
    watch: Watch | None = None
    api: str = ""
    content_url: str = ""
    servers: list[LoopbackServer] = field(default_factory=list)
    requests: list[LoggedRequest] = field(default_factory=list)
    counts: Counter[CallKind] = field(default_factory=Counter)
    log_lock: threading.Lock = field(default_factory=threading.Lock)

    def log(self, kind: CallKind, origin: str, request: Request) -> tuple[LoggedRequest, int]:
        """Enter a request into the log; return it, and which of its kind it is."""
        headers = {name.lower(): text for name, text in request.headers.items()}
        with self.log_lock:
            self.counts[kind] += 1
            entry = LoggedRequest(
                len(self.requests) + 1,
                origin,
                kind,
                request.method,
                request.path,
                dict(request.query),
                headers,
            )
            self.requests.append(entry)
            return entry, self.counts[kind]

    def fail(self, outage: Outage | None) -> None:
        """Begin an outage of all of it; None ends it."""
        for server in self.servers:
            server.outage = outage

    def notify(self, moment: str, entry: LoggedRequest) -> None:
        """Call the watcher, if there is one."""
        if self.watch is not None:
            self.watch(moment, entry)

    def answer(
        self,
        kind: CallKind,
        perform: Callable[[Request, Cue], Response],
        origin: str,
        request: Request,
    ) -> Response:
        """Log a call, let it fail where it is to fail, and give every answer a request id."""
        entry, number = self.log(kind, origin, request)
        fault = find_fault(self.faults, kind, number)
        self.notify("received", entry)
        cue = Cue(fault, lambda: self.notify("halfway", entry))

        def act(request: Request) -> Response:
            try:
                response = perform(request, cue)
            except Refusal:
                self.notify("performed", entry)
                raise
            self.notify("performed", entry)
            return response

        if kind is CallKind.UPLOAD and fault is FaultKind.RESET:
            return act(request)  # an upload that is reset leaves something behind
        marked = {"X-GitHub-Request-Id": f"REHEARSAL:{entry.number}"}
        if fault is not None:
            marked["X-Rehearsal-Fault"] = str(fault)
        try:
            response = suffer(fault, request, act)
        except Refusal as refusal:
            refusal.facts["headers"] = {**marked, **refusal.facts.get("headers", {})}
            raise
        headers = {**marked, **response.headers}
        return Response(response.status, headers, response.body, response.length)


@contextlib.contextmanager
def start_github(  # noqa: PLR0913 - one keyword a behaviour
    *,
    repo: str = "rehearsal/u2netp-mirror",
    token: str | None = None,
    faults: Sequence[Fault] = (),
    commits: Mapping[str, str] | None = None,
    immutable: bool = False,
    attester: Callable[[bytes, str], bytes] | None = None,
    list_lag: int = 0,
    push: bool = True,
    directory: Path | None = None,
    watch: Watch | None = None,
    server: Callable[..., LoopbackServer] = LoopbackServer,
    place: Callable[[str], Places] = Places,
    lay_out: LayOut | None = None,
) -> Iterator[GitHubStandIn]:
    """Run a stand-in with one repository for as long as the block lasts.

    `commits` maps branches to commit ids that exist there; `list_lag` hides a new draft from so
    many listings; `push` is what the token may do. `attester` signs, as an identity, what is stated
    of an immutable release, and gives the bundle. Assets are kept as files in `directory`, or in
    a temporary one. `server` makes both origins, and `place` tells where the API and uploads are
    below the first; `lay_out` gives more routes for it.
    """
    slug = RepoSlug.parse(repo)
    with contextlib.ExitStack() as stack:
        if directory is None:
            directory = stack.enter_context(temporary_directory())
        state = GitHubState(
            directory,
            slug.owner,
            slug.name,
            commits=dict(commits or {}),
            push=push,
            immutable_setting=immutable,
            attester=attester,
            list_lag=list_lag,
        )
        token = token or f"rehearsal_{secrets.token_hex(20)}"
        stand_in = GitHubStandIn(repo, token, state, list(faults), watch)
        content = stack.enter_context(server("GitHub content", [], shape_error=shape_error))
        api = server("GitHub", [], shape_error=shape_error)
        places = place(api.url)
        stand_in.api, stand_in.content_url = places.api, content.url
        routes = GitHubRoutes(Shapes(places, state), state, token, content.url)
        api.routes.extend(lay_out(stand_in, routes) if lay_out else [])
        api.routes.extend(make_routes(stand_in, routes, places))
        content.routes.extend(make_content_routes(stand_in, routes))
        stack.enter_context(api)
        stand_in.servers = [api, content]
        yield stand_in


def make_content_routes(stand_in: GitHubStandIn, routes: GitHubRoutes) -> list[Route]:
    """List the routes of the other origin: downloads alone."""

    def make(perform: Callable[[Request], Response]) -> Answer:
        return lambda request: stand_in.answer(
            CallKind.CONTENT, lambda request, _cue: perform(request), "content", request
        )

    return [
        Route("GET", "/content/{asset}", make(routes.content)),
        Route("GET", "/attestations", make(routes.bundle)),
    ]


def make_routes(stand_in: GitHubStandIn, routes: GitHubRoutes, places: Places) -> list[Route]:
    """Lay out the API. The order matters: the first pattern that matches wins."""

    def upload(request: Request) -> Response:
        def act(request: Request, cue: Cue) -> Response:
            routes.check_request(request)
            return routes.upload(request, cue)

        return stand_in.answer(CallKind.UPLOAD, act, "api", request)

    def change(request: Request) -> Response:
        document = read_document(request)
        kind = CallKind.PUBLISH if document.get("draft") is False else CallKind.EDIT
        perform = make_answer(stand_in, routes, kind, lambda asked: routes.change(asked, document))
        return perform(request)

    def lay(path: str, call: Call) -> Route:
        method, pattern, kind, perform, limit = call
        return Route(method, path + pattern, make_answer(stand_in, routes, kind, perform), limit)

    uploads = f"{places.uploads_path}{RELEASES}/{{release}}/assets"
    return [
        *(lay(places.api_path, call) for call in list_calls(routes)),
        *(lay(places.api_path, call) for call in list_settings(SettingsRoutes(routes))),
        Route("PATCH", f"{places.api_path}{RELEASES}/{{release}}", change),
        Route("POST", uploads, upload, MAX_UPLOAD_BYTES),
        lay("", ("GET", DOWNLOAD, CallKind.DOWNLOAD, routes.download, None)),
    ]


def make_answer(
    stand_in: GitHubStandIn,
    routes: GitHubRoutes,
    kind: CallKind,
    perform: Callable[[Request], Response],
) -> Answer:
    """Wrap a call of the API: one at a time, logged, checked, and failing where it is to fail."""

    def act(request: Request, _cue: Cue) -> Response:
        with routes.state.lock:
            routes.check_request(request)
            return perform(request)

    return lambda request: stand_in.answer(kind, act, "api", request)


def list_calls(routes: GitHubRoutes) -> list[Call]:
    """List the calls of the API that need nothing special."""
    one_asset, one_release = f"{RELEASES}/assets/{{asset}}", f"{RELEASES}/{{release}}"
    return [
        ("GET", REPO, CallKind.REPOSITORY, routes.repository, None),
        ("GET", "/repositories/{id}", CallKind.REPOSITORY, routes.repository, None),
        ("GET", RELEASES, CallKind.RELEASES, routes.releases, None),
        ("POST", RELEASES, CallKind.MAKE_DRAFT, routes.make_draft, None),
        ("GET", f"{RELEASES}/tags/{{tag*}}", CallKind.RELEASE_BY_TAG, routes.release_by_tag, None),
        ("GET", one_asset, CallKind.ASSET, routes.asset, None),
        ("DELETE", one_asset, CallKind.REMOVE_ASSET, routes.remove_asset, None),
        ("GET", one_release, CallKind.RELEASE, routes.release, None),
        ("DELETE", one_release, CallKind.REMOVE_RELEASE, routes.remove_release, None),
        ("GET", f"{one_release}/assets", CallKind.ASSETS, routes.assets, None),
        ("GET", f"{REPO}/commits/{{ref*}}", CallKind.COMMIT, routes.commit, None),
        ("GET", f"{REPO}/immutable-releases", CallKind.IMMUTABLE, routes.immutable, None),
        ("POST", f"{REPO}/attestations", CallKind.ATTEST, routes.attest, MAX_BUNDLE_BYTES),
        (
            "GET",
            f"{REPO}/attestations/{{digest}}",
            CallKind.ATTESTATIONS,
            routes.attestations,
            None,
        ),
    ]


def list_settings(routes: SettingsRoutes) -> list[Call]:
    """List the calls about workflow files."""
    return [("GET", f"{REPO}/contents/{{path*}}", CallKind.CONTENTS, routes.contents, None)]
