"""The download of the pinned checkpoint, against a server on loopback that misbehaves."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError, TryAgain
from release_tool.recipes.recipe import Recipe
from release_tool.recipes.u2netp import U2NETP
from release_tool.rehearsal.exchange import Disconnect, Request, Response
from release_tool.rehearsal.server import LoopbackServer, Route
from release_tool.upstream.download import fetch_checkpoint, parse_address

CONTENT = os.urandom(300_000)
OCTETS = {"Content-Type": "application/octet-stream"}
LIMIT = 400_000


def trickle(pieces: int) -> Iterator[bytes]:
    for _ in range(pieces):
        yield bytes(1000)


def broken() -> Iterator[bytes]:
    yield CONTENT[:1000]
    raise Disconnect


ANSWERS = {
    "right": lambda: Response(200, OCTETS, CONTENT),
    "chunked": lambda: Response(200, OCTETS, iter([CONTENT[:5], CONTENT[5:]])),
    "flipped": lambda: Response(200, OCTETS, CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])),
    "longer": lambda: Response(200, OCTETS, CONTENT + b"x"),
    "short": lambda: Response(200, OCTETS, CONTENT[:-1]),
    "empty": lambda: Response(200, OCTETS, b""),
    "page": lambda: Response(200, {"Content-Type": "Text/HTML"}, b"<html>"),
    "hidden-page": lambda: Response(200, OCTETS, b"\xef\xbb\xbf\n <!DOCTYPE HTML><p>Quota"),
    "huge": lambda: Response(200, OCTETS, iter([]), 10**12),
    "endless": lambda: Response(200, OCTETS, trickle(10**9)),
    "broken": lambda: Response(200, OCTETS, broken(), len(CONTENT)),
    "compressed": lambda: Response(200, OCTETS | {"Content-Encoding": "gzip"}, CONTENT),
    "partial": lambda: Response(206, OCTETS, CONTENT),
    "missing": lambda: Response(404),
    "forbidden": lambda: Response(403),
    "limited": lambda: Response(429),
    "away": lambda: Response(503),
    "moved": lambda: Response(301, {"Location": "right"}),
    "loop": lambda: Response(302, {"Location": "/loop"}),
    "elsewhere": lambda: Response(302, {"Location": "https://example.org/u2netp.pth"}),
    "other-port": lambda: Response(302, {"Location": "http://127.0.0.1:1/right"}),
    "plain": lambda: Response(302, {"Location": "http://example.org/u2netp.pth"}),
    "nowhere": lambda: Response(302, {"Location": "http://a:b/"}),
}


class Server:
    """A server's address, and the headers of what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.headers: list[dict[str, str]] = []

    def answer(self, request: Request) -> Response:
        self.headers.append({name.lower(): text for name, text in request.headers.items()})
        return ANSWERS[request.parameters["name"]]()


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    with LoopbackServer("shelf", [Route("GET", "/{name}", found.answer)]) as running:
        found.url = running.url
        yield found


@pytest.fixture
def recipe() -> Recipe:
    checkpoint = replace(U2NETP.checkpoint, sha256=Sha256.of_bytes(CONTENT))
    return replace(
        U2NETP, checkpoint=checkpoint, graph=replace(U2NETP.graph, max_model_bytes=LIMIT)
    )


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with httpx.Client(trust_env=False) as opened:
        yield opened


@pytest.mark.parametrize("name", ["right", "chunked", "moved"])
def test_the_pinned_bytes_arrive_whole(server, recipe, client, tmp_path: Path, name: str):
    to = tmp_path / "new" / "u2netp.pth"
    found = fetch_checkpoint(client, f"{server.url}/{name}", recipe, to)
    assert to.read_bytes() == CONTENT
    assert (found.size, found.digest) == (len(CONTENT), recipe.checkpoint.sha256)
    assert not found.reused
    assert list(to.parent.iterdir()) == [to]


def test_a_file_that_is_there_already_is_not_fetched_again(server, recipe, client, tmp_path: Path):
    to = tmp_path / "u2netp.pth"
    to.write_bytes(CONTENT)
    assert fetch_checkpoint(client, f"{server.url}/missing", recipe, to).reused
    assert server.headers == []


def test_another_file_of_that_name_is_replaced_only_by_the_pinned_one(
    server, recipe, client, tmp_path: Path
):
    to = tmp_path / "u2netp.pth"
    to.write_bytes(b"other")
    with pytest.raises(InputError):
        fetch_checkpoint(client, f"{server.url}/flipped", recipe, to)
    assert to.read_bytes() == b"other"
    fetch_checkpoint(client, f"{server.url}/right", recipe, to)
    assert to.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("name", "error", "reason"),
    [
        ("flipped", InputError, "the recipe u2netp pins"),
        ("longer", InputError, "the recipe u2netp pins"),
        ("short", InputError, "the recipe u2netp pins"),
        ("empty", InputError, "the recipe u2netp pins"),
        ("page", InputError, "answered with a web page"),
        ("hidden-page", InputError, "sent a web page"),
        ("huge", InputError, "more than the 400000 bytes"),
        ("endless", InputError, "more than the 400000 bytes"),
        ("broken", TryAgain, "failed"),
        ("compressed", InputError, "compressed"),
        ("partial", InputError, "answered 206"),
        ("missing", InputError, "answered 404"),
        ("forbidden", InputError, "answered 403"),
        ("limited", TryAgain, "answered 429"),
        ("away", TryAgain, "answered 503"),
        ("loop", InputError, "redirects more than 5 times"),
        ("elsewhere", InputError, "redirects to another host, example.org"),
        ("other-port", InputError, "redirects to another host, 127.0.0.1:1"),
        ("plain", InputError, "not an https address"),
        ("nowhere", TryAgain, "failed: Invalid URL in location"),
    ],
)
def test_anything_else_is_refused_and_leaves_nothing(
    server, recipe, client, tmp_path: Path, name: str, error: type, reason: str
):
    with pytest.raises(error, match=reason) as refusal:
        fetch_checkpoint(client, f"{server.url}/{name}", recipe, tmp_path / "u2netp.pth")
    assert "\n" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_takes_too_long_ends(server, recipe, client, tmp_path: Path):
    ticks = iter(range(10**6))
    with pytest.raises(TryAgain, match="too slow"):
        fetch_checkpoint(
            client,
            f"{server.url}/endless",
            recipe,
            tmp_path / "u2netp.pth",
            clock=lambda: float(next(ticks)),
            deadline_seconds=3,
        )
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_worth_another_attempt(recipe, client, tmp_path: Path):
    with pytest.raises(TryAgain, match=r"127\.0\.0\.1:1 failed"):
        fetch_checkpoint(client, "http://127.0.0.1:1/x", recipe, tmp_path / "u2netp.pth")


def test_a_redirect_elsewhere_names_both_hosts_and_is_not_followed(
    server, recipe, client, tmp_path: Path
):
    host = server.url.removeprefix("http://")
    with pytest.raises(InputError, match=rf"{host} redirects .* example\.org") as refusal:
        fetch_checkpoint(client, f"{server.url}/elsewhere", recipe, tmp_path / "u2netp.pth")
    assert "example.org" in str(refusal.value.hint)
    assert len(server.headers) == 1


def test_no_credential_leaves_with_the_request(server, recipe, tmp_path: Path):
    headers = {"Authorization": "Bearer secret", "Cookie": "secret"}
    with httpx.Client(headers=headers, auth=("user", "secret"), trust_env=False) as client:
        fetch_checkpoint(client, f"{server.url}/moved", recipe, tmp_path / "u2netp.pth")
    assert len(server.headers) == 2
    for sent in server.headers:
        assert "authorization" not in sent
        assert "cookie" not in sent
        assert sent["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "u2netp.pth",
        "/etc/passwd",
        "file:///etc/passwd",
        "ftp://example.org/x",
        "http://example.org/x",
        "https://",
        "https:///x",
        "https://[",
        "https://exa\nmple.org/x",
        "https://" + "a" * 70_000,
        '"; curl https://example.org #',
        "javascript:alert(1)",
    ],
)
def test_what_is_no_https_address_is_refused(text: str):
    with pytest.raises(InputError, match="not an https address") as refusal:
        parse_address(text)
    assert "\n" not in str(refusal.value)


def test_an_address_with_a_password_is_refused_without_repeating_it():
    with pytest.raises(InputError, match="password") as refusal:
        parse_address("https://user:secret@example.org/x")
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "[::1]", "localhost"])
def test_plain_http_is_for_this_machine_only(host: str):
    assert parse_address(f"http://{host}/x").scheme == "http"
    assert parse_address("https://example.org/x").host == "example.org"


def test_a_directory_that_cannot_be_written_is_an_input_error(
    server, recipe, client, tmp_path: Path
):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot write"):
        fetch_checkpoint(client, f"{server.url}/right", recipe, tmp_path / "file" / "u2netp.pth")
