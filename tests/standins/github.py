"""The GitHub stand-in with what no rehearsal calls: TLS, GitHub Enterprise's form, GraphQL."""

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

from release_tool.rehearsal.exchange import Refusal, Request, Response
from release_tool.rehearsal.github.faults import CallKind
from release_tool.rehearsal.github.routes import GitHubRoutes, read_document
from release_tool.rehearsal.github.shapes import API_VERSIONS, Places
from release_tool.rehearsal.github.standin import REPO, GitHubStandIn, make_answer, start_github
from release_tool.rehearsal.server import LoopbackServer, Route
from tests.standins.query import Viewer, answer_query
from tests.standins.tls import ThrowAwayTls


def place_enterprise(origin: str) -> Places:
    """Lay things out as GitHub Enterprise Server does; it may be old."""
    return Places(origin, "/api/v3", "/api/uploads", API_VERSIONS[:1])


def lay_out(graphql_path: str, stand_in: GitHubStandIn, routes: GitHubRoutes) -> list[Route]:
    """Answer what `gh` asks beside what our own client does."""

    def graphql(request: Request) -> Response:
        if request.headers.get("Authorization") is None:
            raise Refusal(401, "This endpoint requires you to be authenticated.")
        viewer = Viewer(routes.state, routes.may_push(request))
        return Response.of_json(answer_query(viewer, read_document(request)))

    def latest(request: Request) -> Response:
        routes.may_push(request)
        found = routes.state.releases.get(routes.state.latest or 0)
        if found is None:
            raise Refusal(404, "Not Found")
        return Response.of_json(routes.shapes.release(found))

    def tag_ref(request: Request) -> Response:
        routes.may_push(request)
        tag, root = request.parameters["tag"], routes.shapes.root
        sha = routes.state.tags.get(tag)
        if sha is None:
            raise Refusal(404, "Not Found")
        target = {"type": "commit", "sha": sha, "url": f"{root}/git/commits/{sha}"}
        named = {"ref": f"refs/tags/{tag}", "node_id": f"REF_{tag}", "object": target}
        return Response.of_json(named | {"url": f"{root}/git/refs/tags/{tag}"})

    repository = f"{routes.shapes.places.api_path}{REPO}"
    calls = [
        ("POST", graphql_path, graphql),
        ("GET", f"{repository}/releases/latest", latest),
        ("GET", f"{repository}/git/ref/tags/{{tag*}}", tag_ref),
    ]
    return [
        Route(method, pattern, make_answer(stand_in, routes, CallKind.OTHER, perform))
        for method, pattern, perform in calls
    ]


@contextlib.contextmanager
def start_whole_github(
    *, tls: ThrowAwayTls | None = None, enterprise: bool = False, **options: Any
) -> Iterator[GitHubStandIn]:
    """Run a stand-in that `gh` takes for a GitHub; with `tls` both its origins speak HTTPS."""
    path = "/api/graphql" if enterprise else "/graphql"
    with start_github(
        server=tls.server if tls else LoopbackServer,
        place=place_enterprise if enterprise else Places,
        lay_out=partial(lay_out, path),
        **options,
    ) as github:
        yield github
