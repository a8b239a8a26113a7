"""Validates exchanges with GitHub, or its stand-in, against GitHub's own API description.

Loaded by path from the conftest files that need it. Deviations are listed by name, with reasons.
"""

import json
import re
import threading
from pathlib import Path
from urllib.parse import parse_qsl, urlsplit

import httpx
from openapi_core import OpenAPI
from openapi_core.testing import MockRequest, MockResponse

SPEC = Path(__file__).with_name("github-releases.openapi.json")
HOST = "https://api.github.com"

OUTSIDE = {
    "/content/": "the storage behind GitHub, not a part of its API",
    "/graphql": "the other API, which has a description of its own",
    "/repositories/": "where a renamed repository's 301 leads; GitHub answers it, undescribed",
    "/releases/download/": "the web site's download address, not a part of the API",
}
"""Paths that the description does not cover."""

UNDESCRIBED = {400, 401, 403, 404, 409, 410, 422, 429, 500, 502, 503}
"""Statuses that GitHub gives for many calls without describing them; their bodies are checked to
be a basic error where they are JSON. That a 422 of the upload path has a body is not said either.
"""

UNREADABLE = {"html", "html-500", "truncated"}
"""Faults on cue after which an answer is not GitHub's any more, as a header of it says."""

STARTER = "the state `starter` of an asset is missing from the description's enum of states"
BASIC_ERROR = {"message": str, "documentation_url": str}


def normalised(text: str, base: str) -> str:
    """Take out what differs from run to run, so that equal exchanges are checked once."""
    text = text.replace(base, HOST)
    return re.sub(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", "2026-01-01T00:00:00Z", text)


class Checker:
    """Validates exchanges; it remembers what it has seen, because many tests say the same."""

    def __init__(self) -> None:
        spec = json.loads(SPEC.read_text())
        for operations in spec["paths"].values():
            for operation in operations.values():
                operation.pop("servers", None)  # uploads have a host of their own at GitHub
        self.states = spec["components"]["schemas"]["release-asset"]["properties"]["state"]
        assert "starter" not in self.states["enum"], STARTER
        self.states["enum"].append("starter")
        self.openapi = OpenAPI.from_dict(spec)
        self.seen: set[tuple[object, ...]] = set()
        self.lock = threading.Lock()

    def check(self, request: httpx.Request, body: bytes, response: httpx.Response) -> None:
        """Validate one exchange; an answer that was made unreadable on cue is not looked at."""
        on_cue = response.headers.get("x-rehearsal-fault") in UNREADABLE
        parts = urlsplit(str(request.url))
        if any(outside in parts.path for outside in OUTSIDE):
            return
        base = f"{parts.scheme}://{parts.netloc}"
        path = re.sub(r"^/api/(v3|uploads)(?=/)", "", parts.path)  # GitHub Enterprise's form
        path = re.sub(
            r"(/commits/|/contents/)(.+)", lambda m: m[1] + m[2].replace("/", "%2F"), path
        )
        kind = request.headers.get("content-type", "application/json")
        sent = body.decode("latin-1") if kind == "application/json" else "bytes"
        got = (
            response.content.decode("latin-1")
            if "json" in response.headers.get("content-type", "")
            else ""
        )
        key = (
            request.method,
            path,
            parts.query,
            kind,
            sent,
            response.status_code,
            normalised(got, base),
            on_cue,
        )
        with self.lock:
            if key in self.seen:
                return
            asked = MockRequest(
                HOST,
                request.method,
                path,
                args=dict(parse_qsl(parts.query, keep_blank_values=True)),
                data=body or None,
                content_type=kind,
            )
            self.openapi.validate_request(asked)
            if not on_cue:
                self.check_answer(asked, response)
            self.seen.add(key)

    def check_answer(self, asked: MockRequest, response: httpx.Response) -> None:
        """Validate an answer; an undescribed error must at least look like GitHub's errors."""
        kind = response.headers.get("content-type", "application/json")
        assert response.headers["x-github-request-id"]
        if response.status_code in UNDESCRIBED:
            error = response.json()
            assert all(isinstance(error[name], of) for name, of in BASIC_ERROR.items())
            return
        if response.status_code in (204, 302):
            assert not response.content  # described without a content type
            return
        self.openapi.validate_response(
            asked,
            MockResponse(response.content, response.status_code, dict(response.headers), kind),
        )


class Recorder(httpx.BaseTransport):
    """A real transport that keeps each exchange, and can fail before anything is sent."""

    def __init__(self) -> None:
        self.inner = httpx.HTTPTransport(verify=False)
        self.exchanges: list[tuple[httpx.Request, bytes, httpx.Response]] = []
        self.refuse = lambda request: False
        self.tokens_elsewhere: list[str] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.refuse(request):
            raise httpx.ConnectError("[Errno 111] Connection refused", request=request)
        streamed = "application/octet-stream" in request.headers.get("content-type", "")
        body = b"" if streamed else request.read()
        answer = self.inner.handle_request(request)
        try:
            content = b"".join(answer.iter_raw())
        finally:
            answer.close()
        whole = httpx.Response(
            answer.status_code, headers=answer.headers, content=content, request=request
        )
        self.exchanges.append((request, body, whole))
        stream = httpx.ByteStream(content)  # unread, as from a network
        return httpx.Response(answer.status_code, headers=answer.headers, stream=stream)

    def close(self) -> None:
        self.inner.close()
