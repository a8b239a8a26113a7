"""The GitHub stand-in with what no rehearsal calls: TLS, GitHub Enterprise's form, GraphQL."""

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

from release_tool.rehearsal.exchange import Refusal, Request, Response
from release_tool.rehearsal.github.faults import CallKind
from release_tool.rehearsal.github.routes import GitHubRoutes, read_document
from release_tool.rehearsal.github.shapes import API_VERSIONS, Places
from release_tool.rehearsal.github.standin import GitHubStandIn, make_answer, start_github
from release_tool.rehearsal.server import LoopbackServer, Route
from tests.standins.query import Viewer, answer_query
from tests.standins.tls import ThrowAwayTls


def place_enterprise(origin: str) -> Places:
    """Lay things out as GitHub Enterprise Server does; it may be old."""
    return Places(origin, "/api/v3", "/api/uploads", API_VERSIONS[:1])


def lay_out_graphql(path: str, stand_in: GitHubStandIn, routes: GitHubRoutes) -> list[Route]:
    """Answer POST /graphql: whoever asks must have a token."""

    def perform(request: Request) -> Response:
        if request.headers.get("Authorization") is None:
            raise Refusal(401, "This endpoint requires you to be authenticated.")
        viewer = Viewer(routes.state, routes.may_push(request))
        return Response.of_json(answer_query(viewer, read_document(request)))

    return [Route("POST", path, make_answer(stand_in, routes, CallKind.OTHER, perform))]


@contextlib.contextmanager
def start_whole_github(
    *, tls: ThrowAwayTls | None = None, enterprise: bool = False, **options: Any
) -> Iterator[GitHubStandIn]:
    """Run a stand-in that `gh` takes for a GitHub; with `tls` both its origins speak HTTPS."""
    path = "/api/graphql" if enterprise else "/graphql"
    with start_github(
        server=tls.server if tls else LoopbackServer,
        place=place_enterprise if enterprise else Places,
        lay_out=partial(lay_out_graphql, path),
        **options,
    ) as github:
        yield github
