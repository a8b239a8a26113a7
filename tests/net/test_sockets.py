"""Connections that go to checked addresses, and end in time."""

import contextlib
import socket
import threading
import time

import httpcore
import pytest

from release_tool.core.errors import InputError, TryAgain
from release_tool.net.client import open_client, sockets_of
from release_tool.net.exchange import make_request, send
from release_tool.net.sockets import Sockets
from tests.standins.tls import make_tls


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as opened:
        yield opened


def test_a_second_answer_of_the_name_service_changes_nothing(listener):
    answers, seen = iter([["127.0.0.1"]]), []
    sockets = Sockets(lambda *_: next(answers))
    sockets.check = lambda host, address: seen.append((host, str(address)))
    port = listener.getsockname()[1]
    stream = sockets.connect_tcp("shelf.example", port, 5)
    assert stream.get_extra_info("server_addr") == ("127.0.0.1", port)
    stream.close()
    assert seen == [("shelf.example", "127.0.0.1")]


def test_one_address_that_may_not_be_is_enough_to_connect_to_none(listener):
    def check(host, address):
        if str(address) == "10.0.0.1":
            raise InputError("no")

    sockets = Sockets(lambda *_: ["127.0.0.1", "10.0.0.1"])
    sockets.check = check
    with pytest.raises(InputError):
        sockets.connect_tcp("shelf.example", listener.getsockname()[1], 5)
    listener.settimeout(0)
    with pytest.raises(BlockingIOError):
        listener.accept()


def test_the_next_address_is_tried_where_one_does_not_answer(listener):
    sockets = Sockets(lambda *_: ["127.0.0.9", "127.0.0.1"])
    sockets.connect_tcp("shelf.example", listener.getsockname()[1], 5).close()


@pytest.mark.parametrize("answer", [[], ["nonsense"]])
def test_a_name_without_an_address_is_a_failed_connection(answer):
    with pytest.raises(httpcore.ConnectError):
        Sockets(lambda *_: answer).connect_tcp("shelf.example", 1, 5)


def test_nothing_is_begun_once_the_time_is_over(listener):
    sockets = Sockets()
    stream = sockets.connect_tcp("127.0.0.1", listener.getsockname()[1], 5)
    sockets.allow(0)
    for step in (
        lambda: sockets.connect_tcp("127.0.0.1", listener.getsockname()[1], 5),
        lambda: stream.read(1, 5),
        lambda: stream.write(b"x", 5),
    ):
        with pytest.raises(httpcore.TimeoutException):
            step()
    stream.close()


BEGINNING = b"\x16\x03\x03\x3f\xff"
"""The head of a TLS record of 16 KiB, the rest of which never comes whole."""


@pytest.fixture
def proxy(tmp_path, monkeypatch):
    """A proxy that speaks TLS, behind which is a server that drips."""
    tls, over = make_tls(), threading.Event()
    authority = tmp_path / "authority.pem"
    authority.write_text(tls.authority)
    with socket.create_server(("127.0.0.1", 0)) as opened:

        def serve():
            with contextlib.suppress(OSError):
                connection, _ = opened.accept()
                with tls.context.wrap_socket(connection, server_side=True) as secured:
                    secured.recv(65536)
                    secured.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                    secured.recv(65536)
                    secured.sendall(BEGINNING)
                    while not over.wait(0.02):
                        secured.sendall(b"a")

        thread = threading.Thread(target=serve)
        thread.start()
        monkeypatch.setenv("SSL_CERT_FILE", str(authority))
        monkeypatch.setenv("HTTPS_PROXY", f"https://127.0.0.1:{opened.getsockname()[1]}")
        monkeypatch.delenv("NO_PROXY", raising=False)
        monkeypatch.delenv("no_proxy", raising=False)
        yield
        over.set()
        thread.join()


@pytest.mark.usefixtures("proxy")
def test_a_server_that_drips_behind_a_proxy_with_tls_is_given_up():
    begun = time.monotonic()
    with open_client(local=False) as client, sockets_of(client).within(0.5):
        request = make_request(client, "GET", "https://example.org/", {}, 30.0)
        with pytest.raises(TryAgain, match="takes too long"), send(client, request, "asking"):
            pass
    assert time.monotonic() - begun < 5
