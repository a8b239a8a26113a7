"""Connections that go to checked addresses, and end in time."""

import socket

import httpcore
import pytest

from release_tool.core.errors import InputError
from release_tool.net.sockets import Sockets


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as opened:
        yield opened


def test_a_second_answer_of_the_name_service_changes_nothing(listener):
    answers = iter([["127.0.0.1"], ["127.0.0.2"]])
    sockets, seen = Sockets(lambda *_: next(answers)), []
    sockets.check = lambda host, address: seen.append((host, str(address)))
    port = listener.getsockname()[1]
    for _ in range(2):
        stream = sockets.connect_tcp("shelf.example", port, 5)
        assert stream.get_extra_info("server_addr") == ("127.0.0.1", port)
        stream.close()
    assert seen == [("shelf.example", "127.0.0.1")] * 2


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
