"""The download of the pinned checkpoint, against a server on loopback that misbehaves."""

import contextlib
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError, TryAgain
from release_tool.recipes.recipe import Recipe
from release_tool.recipes.u2netp import U2NETP
from release_tool.rehearsal.exchange import Disconnect, Request, Response
from release_tool.rehearsal.server import LoopbackServer, Route
from release_tool.upstream.download import fetch_checkpoint

CONTENT = os.urandom(300_000)
OCTETS = {"Content-Type": "application/octet-stream"}
HTML = {"Content-Type": "text/html; charset=utf-8"}
LIMIT = 400_000


def page(action: str) -> Response:
    """A page before a large file, with one form."""
    fields = '<input type="hidden" name="confirm" value="t"><input name="q" value="no">'
    text = f'<html><form id="download-form" action="{action}" method="get">{fields}</form></html>'
    return Response(200, HTML, text.encode())


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
    "button": lambda: page("/right?a=1"),
    "two-buttons": lambda: page("/button"),
    "button-elsewhere": lambda: page("http://127.0.0.1:1/right"),
    "long-page": lambda: Response(200, HTML, iter([b"<html>" * 10_000] * 100)),
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
    "login": lambda: Response(401, {"WWW-Authenticate": "Basic"}),
    "nowhere": lambda: Response(302, {"Location": "http://a:b/"}),
    "no-host": lambda: Response(302, {"Location": "https:///x"}),
    "other-letters": lambda: Response(302, {"Location": "https://ex\u200bample.org/"}),
}


class Server:
    """A server's address, and the headers of what it was asked."""

    def __init__(self) -> None:
        self.url = ""
        self.headers: list[dict[str, str]] = []

    def answer(self, request: Request) -> Response:
        self.headers.append({name.lower(): text for name, text in request.headers.items()})
        if "to" in request.query:
            return Response(302, {"Location": request.query["to"], "Set-Cookie": "id=1"})
        if "left" in request.query:
            left = int(request.query["left"])
            return Response(302, {"Location": f"/on?left={left - 1}" if left else "/right"})
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
        U2NETP, checkpoint=checkpoint, contract=replace(U2NETP.contract, max_model_bytes=LIMIT)
    )


@pytest.mark.parametrize("name", ["right", "chunked", "button", "moved"])
def test_the_pinned_bytes_arrive_whole(server, recipe, tmp_path: Path, name: str):
    to = tmp_path / "new" / "u2netp.pth"
    found = fetch_checkpoint(f"{server.url}/{name}", recipe, to)
    assert to.read_bytes() == CONTENT
    assert (found.size, found.digest) == (len(CONTENT), recipe.checkpoint.sha256)
    assert not found.reused
    assert list(to.parent.iterdir()) == [to]


def test_a_file_that_is_there_already_is_not_fetched_again(server, recipe, tmp_path: Path):
    to = tmp_path / "u2netp.pth"
    to.write_bytes(CONTENT)
    assert fetch_checkpoint(f"{server.url}/missing", recipe, to).reused
    assert server.headers == []


def test_another_file_of_that_name_is_replaced_only_by_the_pinned_one(
    server, recipe, tmp_path: Path
):
    to = tmp_path / "u2netp.pth"
    to.write_bytes(b"other")
    with pytest.raises(InputError):
        fetch_checkpoint(f"{server.url}/flipped", recipe, to)
    assert to.read_bytes() == b"other"
    fetch_checkpoint(f"{server.url}/right", recipe, to)
    assert to.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("name", "error", "reason"),
    [
        ("flipped", InputError, "the recipe u2netp pins"),
        ("longer", InputError, "the recipe u2netp pins"),
        ("short", InputError, "the recipe u2netp pins"),
        ("empty", InputError, "the recipe u2netp pins"),
        ("page", InputError, "answered with a web page"),
        ("two-buttons", InputError, "answered with a web page"),
        ("button-elsewhere", InputError, "answered with a web page"),
        ("long-page", InputError, "answered with a web page"),
        ("hidden-page", InputError, "sent a web page"),
        ("huge", InputError, "more than the 400000 bytes"),
        ("endless", InputError, "more than the 400000 bytes"),
        ("broken", TryAgain, "failed"),
        ("compressed", InputError, "compressed"),
        ("partial", InputError, "answered 206"),
        ("missing", InputError, "answered 404"),
        ("forbidden", InputError, "answered 403: it asks for a login"),
        ("login", InputError, "answered 401: it asks for a login"),
        ("limited", TryAgain, "answered 429"),
        ("away", TryAgain, "answered 503"),
        ("loop", InputError, "more than 10 times"),
        ("nowhere", TryAgain, "failed: Invalid URL in location"),
        ("no-host", TryAgain, "redirects to nowhere"),
    ],
)
def test_anything_else_is_refused_and_leaves_nothing(
    server, recipe, tmp_path: Path, name: str, error: type, reason: str
):
    with pytest.raises(error, match=reason) as refusal:
        fetch_checkpoint(f"{server.url}/{name}", recipe, tmp_path / "u2netp.pth")
    assert "\n" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []


def test_a_download_that_takes_too_long_ends(server, recipe, tmp_path: Path):
    ticks = iter(range(10**6))
    with pytest.raises(TryAgain, match="too long"):
        fetch_checkpoint(
            f"{server.url}/endless",
            recipe,
            tmp_path / "u2netp.pth",
            clock=lambda: float(next(ticks)),
            deadline_seconds=3,
        )
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_is_not_there_is_worth_another_attempt(recipe, tmp_path: Path):
    with pytest.raises(TryAgain, match=r"127\.0\.0\.1:1 failed"):
        fetch_checkpoint("http://127.0.0.1:1/x", recipe, tmp_path / "u2netp.pth")


@pytest.fixture
def other() -> Iterator[Server]:
    """Run a second server, to which the first one redirects."""
    found = Server()
    with LoopbackServer("store", [Route("GET", "/{name}", found.answer)]) as running:
        found.url = running.url
        yield found


def test_a_redirect_to_another_server_delivers(server, other, recipe, tmp_path: Path):
    to = tmp_path / "u2netp.pth"
    fetch_checkpoint(f"{server.url}/x?to={other.url}/right", recipe, to)
    assert to.read_bytes() == CONTENT
    assert (len(server.headers), len(other.headers)) == (1, 1)


def test_ten_redirects_are_followed_and_eleven_are_not(server, recipe, tmp_path: Path):
    fetch_checkpoint(f"{server.url}/on?left=9", recipe, tmp_path / "ten")
    with pytest.raises(InputError, match="more than 10 times"):
        fetch_checkpoint(f"{server.url}/on?left=10", recipe, tmp_path / "eleven")
    assert not (tmp_path / "eleven").exists()


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("https://10.0.0.7/x", "redirects to 10.0.0.7, and 10.0.0.7 is this machine or"),
        ("https://192.168.1.1:8443/x", "redirects to 192.168.1.1:8443, and"),
        ("https://169.254.169.254/latest/meta-data", "redirects to 169.254.169.254, and"),
        ("https://[::ffff:10.0.0.7]/x", "redirects to ::ffff:10.0.0.7, and ::ffff:a00:7 is"),
        ("https://[fd00:ec2::254]/x", "redirects to fd00:ec2::254, and"),
        ("https://100.64.0.1/x", "redirects to 100.64.0.1, and"),
        ("https://0.0.0.0/x", "redirects to 0.0.0.0, and"),
        ("https://inside.example/x", "redirects to inside.example, and 10.0.0.7 is this machine"),
        ("https://home.example/x", "redirects to home.example, and 127.0.0.1 is this machine"),
        ("http://example.org/x", "redirects to example.org, which is not an https address"),
        ("http://10.0.0.7/x", "redirects to 10.0.0.7, which is not an https address"),
        ("ftp://example.org/x", "redirects to example.org, which is not an https address"),
        ("file://localhost/etc/passwd", "redirects to localhost, which is not an https address"),
        ("https://user:secret@example.org/x", "redirects to example.org with a login"),
    ],
)
def test_a_redirect_where_no_server_may_lead_names_the_hop(
    server, recipe, tmp_path: Path, target: str, reason: str
):
    names = {"inside.example": ["93.184.216.34", "10.0.0.7"], "home.example": ["127.0.0.1"]}
    host = server.url.removeprefix("http://")
    with pytest.raises(InputError, match=re.escape(f"{host} {reason}")) as refusal:
        fetch_checkpoint(
            f"{server.url}/x?to={target}",
            recipe,
            tmp_path / "u2netp.pth",
            resolve=lambda name, _: names.get(name, [name]),
        )
    assert "secret" not in str(refusal.value)
    assert list(tmp_path.iterdir()) == []
    assert len(server.headers) == 1


@pytest.mark.parametrize(
    ("name", "reason"),
    [("login", "answered 401: it asks"), ("page", "answered with a web"), ("flipped", "sent sha")],
)
def test_what_a_hop_says_is_told_with_who_led_to_it(
    server, other, recipe, tmp_path: Path, name: str, reason: str
):
    first, second = (found.url.removeprefix("http://") for found in (server, other))
    text = re.escape(f"{second} (where {first} redirects to) {reason}")
    with pytest.raises(InputError, match=text):
        fetch_checkpoint(f"{server.url}/x?to={other.url}/{name}", recipe, tmp_path / "u2netp.pth")
    assert list(tmp_path.iterdir()) == []


def test_a_server_that_drips_is_given_up_in_time(recipe, tmp_path: Path, dripping):
    begun = time.monotonic()
    with pytest.raises(TryAgain, match="too long"):
        fetch_checkpoint(dripping, recipe, tmp_path / "u2netp.pth", deadline_seconds=0.5)
    assert time.monotonic() - begun < 5
    assert list(tmp_path.iterdir()) == []


@pytest.fixture(params=["headers", "body"])
def dripping(request) -> Iterator[str]:
    """Serve one byte at a time, for ever, never silent for long."""
    begin = b"HTTP/1.1 200 OK\r\n" + (b"\r\n" if request.param == "body" else b"X-A: ")
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection, contextlib.suppress(OSError):
                connection.sendall(begin)
                while not over.wait(0.02):
                    connection.sendall(b"a")

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        over.set()
        thread.join()


def test_no_credential_and_no_cookie_leaves(
    server, other, recipe, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login user password secret\n")
    monkeypatch.setenv("NETRC", str(netrc))
    back = f"{server.url}/right"
    url = f"{server.url}/x?to={other.url}/x%3Fto={back}"
    fetch_checkpoint(url, recipe, tmp_path / "u2netp.pth")
    assert (len(server.headers), len(other.headers)) == (2, 1)
    for sent in (*server.headers, *other.headers):
        assert "authorization" not in sent
        assert "cookie" not in sent
        assert "referer" not in sent
        assert sent["accept-encoding"] == "identity"


def test_a_directory_that_cannot_be_written_is_an_input_error(server, recipe, tmp_path: Path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="cannot write"):
        fetch_checkpoint(f"{server.url}/right", recipe, tmp_path / "file" / "u2netp.pth")
