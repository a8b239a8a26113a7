"""The network beneath a download: time as a whole, addresses, and a token that never shows."""

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread

import httpx
import pytest
import respx

from release_tool.core.errors import CannotVerify, TryAgain, UsageError
from release_tool.core.names import RepoSlug
from release_tool.github.client import open_github
from release_tool.github.origin import ApiRoot
from release_tool.github.transfer import make_read_api, open_stream, read_body, read_chunks
from release_tool.net.token import Token

API = "https://api.test"
SECRET = "ghp_averysecrettoken"
HEAD = b"HTTP/1.1 200 OK\r\n"
DRIPS = 1000


@contextmanager
def dripping(*answers: tuple[bytes, bytes]) -> Iterator[str]:
    """Serve, for each request on one connection, some bytes and then one byte again and again."""
    done, outlasted = Event(), Event()

    def serve() -> None:
        with suppress(OSError), listener:
            connection, _ = listener.accept()
            with connection:
                for start, drip in answers:
                    connection.recv(65536)
                    connection.sendall(start)
                    for _ in range(DRIPS if drip else 0):
                        connection.sendall(drip)
                        if done.wait(0.01):
                            return
                    if drip:
                        outlasted.set()

    listener = socket.create_server(("127.0.0.1", 0))
    thread = Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        done.set()
        thread.join(10)
    assert not outlasted.is_set(), "it was the server that gave up"


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HEAD_SECONDS", "DOCUMENT_SECONDS"):
        monkeypatch.setattr(f"release_tool.github.transfer.{name}", 0.3)


def ask(api: str, times: int = 1) -> bytes:
    with httpx.Client(trust_env=False) as client:
        source = make_read_api(client, api, None)
        return [read_body(source, f"{api}/x", {}, 1000) for _ in range(times)][-1]


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    "start",
    [HEAD + b"X-Drip: ", HEAD + b"Transfer-Encoding: chunked\r\n\r\n1;x="],
    ids=["headers", "a chunk's extension"],
)
def test_a_server_that_drips_is_given_up(start):
    with dripping((start, b"a")) as api, pytest.raises(TryAgain, match="takes too long"):
        ask(api)


@pytest.mark.usefixtures("hurried")
def test_a_kept_connection_that_begins_to_drip_is_given_up():
    whole = HEAD + b"Content-Length: 2\r\n\r\nok"
    with (
        dripping((whole, b""), (HEAD + b"X-Drip: ", b"a")) as api,
        pytest.raises(TryAgain, match="takes too long"),
    ):
        ask(api, times=2)


@pytest.mark.usefixtures("hurried")
def test_a_body_of_no_stated_length_is_not_taken_for_whole_when_it_was_cut_off():
    with dripping((HEAD + b"\r\n", b"a")) as api, pytest.raises(TryAgain, match="takes too long"):
        ask(api)


def test_a_publisher_gives_a_dripping_server_up_too():
    for start in (HEAD + b"X-Drip: ", HEAD + b"\r\n"):
        with (
            dripping((start, b"a")) as api,
            open_github(api, sleep=lambda _: None, answer_seconds=0.3) as github,
            pytest.raises(TryAgain, match=r"takes too long|refused"),
        ):
            github.wire.silence_seconds = 5.0
            github.fetch_repository(RepoSlug("owner", "name"))


def test_a_token_that_a_library_quotes_is_not_shown(respx_mock):
    respx_mock.get(f"{API}/x").mock(side_effect=httpx.ReadError(f"sent 'Bearer {SECRET}'"))
    respx_mock.get(f"{API}/y").respond(403, json={"message": f"{SECRET} is bad"})
    respx_mock.get(f"{API}/z").respond(302, headers={"location": f"ftp://{SECRET}/"})
    with httpx.Client() as client:
        api = make_read_api(client, API, SECRET)
        assert SECRET not in repr(api)
        for name in "xyz":
            with pytest.raises((TryAgain, CannotVerify)) as caught:
                read_body(api, f"{API}/{name}", {}, 100)
            assert SECRET not in f"{caught.value} {caught.value.hint}"
            assert "***" in f"{caught.value} {caught.value.hint}"


@pytest.fixture
def respx_mock():
    with respx.mock(assert_all_called=False) as mock:
        yield mock


@pytest.mark.parametrize(
    "location", ["http://127.0.0.1/x", "https://a:b@api.test/x", "http://localhost/x"]
)
def test_a_redirect_to_this_machine_or_with_a_login_is_refused(respx_mock, location):
    respx_mock.get(f"{API}/x").respond(302, headers={"location": location})
    with httpx.Client() as client, pytest.raises(CannotVerify, match="address"):
        read_body(make_read_api(client, API, None), f"{API}/x", {}, 100)


@pytest.mark.parametrize("text", ["a\nb", "ghp_ä", "a b", "\n", "x" * 5000, "a\x00b"])
def test_what_no_token_can_be_is_refused_without_being_quoted(text):
    with pytest.raises(UsageError, match="characters that no token has") as caught:
        Token.parse(text)
    assert text not in f"{caught.value} {caught.value.hint}" or text == "\n"
    with httpx.Client() as client, pytest.raises(UsageError):
        make_read_api(client, API, text)
    assert Token.of(None) is None
    assert Token.of(Token(SECRET)) == Token.of(f" {SECRET}\n")


@pytest.mark.parametrize(
    "text",
    ["http://api.test", "https://a:b@api.test", "https://api.test?x=1", "api.test", "https://[::"],
)
def test_an_api_address_is_read_strictly(text):
    with pytest.raises(UsageError, match="not the address of a GitHub API") as caught:
        ApiRoot.parse(text)
    assert "a:b" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HTTPS_PROXY", "gopher://user:word@proxy.test"),
        ("HTTPS_PROXY", "http://[::"),
        ("SSL_CERT_FILE", "/nonexistent/certificates.pem"),
    ],
)
def test_a_broken_proxy_or_certificate_setting_is_a_usage_error(monkeypatch, name, value):
    for other in ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "SSL_CERT_DIR", "NO_PROXY"):
        monkeypatch.delenv(other, raising=False)
        monkeypatch.delenv(other.lower(), raising=False)
    monkeypatch.setenv(name, value)
    for opened in (ApiRoot(API).open_client, lambda: open_github(API)):
        with pytest.raises(UsageError, match="no HTTP client can be set up") as caught:
            opened()
        assert "word" not in str(caught.value)
        assert "HTTPS_PROXY" in str(caught.value.hint)
    ApiRoot.parse("http://127.0.0.1:1").open_client().close()


def test_a_transfer_may_take_an_hour_and_its_head_a_minute(respx_mock):
    respx_mock.get(f"{API}/x").respond(content=b"abc")
    with (
        httpx.Client() as client,
        open_stream(make_read_api(client, f"{API}/", None), f"{API}/x", {}) as answer,
    ):
        assert b"".join(read_chunks(make_read_api(client, API, None), answer, 3)) == b"abc"
