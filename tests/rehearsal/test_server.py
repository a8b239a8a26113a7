"""The server streams, limits, breaks off on order, and leaves nothing behind."""

import io
import resource
import socket
import struct
import threading

import httpx
import pytest

from release_tool.core.errors import InputError, UsageError
from release_tool.rehearsal.exchange import BrokenBody, Disconnect, Refusal, Response
from release_tool.rehearsal.server import LoopbackServer, Route

MIB = 1024 * 1024


def pieces(count, size=MIB):
    for _ in range(count):
        yield b"x" * size


def half(length):
    yield b"x" * length
    raise Disconnect


def echo(request):
    return Response.of_json(
        {
            "method": request.method,
            "path": request.path,
            "query": dict(request.query),
            "parameters": dict(request.parameters),
            "body": request.body.read().decode(),
        },
        X_Seen="yes",
    )


def fail(error):
    def answer(_request):
        raise error

    return answer


def count(request):
    return Response.of_json(sum(len(piece) for piece in request.body.chunks()))


ROUTES = [
    Route("GET", "/echo/{name}/end", echo),
    Route("POST", "/echo/{name}/end", echo),
    Route("GET", "/rest/{rest*}", echo),
    Route("DELETE", "/nothing", lambda _request: Response(204)),
    Route("GET", "/refused", fail(Refusal(418, "no coffee"))),
    Route("GET", "/bad-input", fail(InputError("not what it should be"))),
    Route("GET", "/vanish", fail(Disconnect())),
    Route("GET", "/iterator", lambda _request: Response(body=pieces(3))),
    Route("GET", "/sized", lambda _request: Response(body=pieces(3, 10), length=30)),
    Route("GET", "/short", lambda _request: Response(body=pieces(3, 10), length=40)),
    Route("GET", "/reset", lambda _request: Response(body=half(10), length=40)),
    Route(
        "GET",
        "/typed",
        lambda _r: Response(200, {"Content-Length": "2", "Connection": "close"}, b"{}"),
    ),
    Route("POST", "/count", count, max_body_bytes=1 << 30),
    Route("POST", "/unread", lambda _request: Response(), max_body_bytes=8 * MIB),
]


@pytest.fixture(scope="module")
def server():
    with LoopbackServer("test", ROUTES, max_body_bytes=MIB) as server:
        yield server


@pytest.fixture
def client(server):
    with httpx.Client(base_url=server.url, trust_env=False, timeout=20) as client:
        yield client


@pytest.fixture
def send_raw(server):
    def send_raw(content, *, finish=False):
        with socket.create_connection(("127.0.0.1", server.port), timeout=20) as peer:
            peer.sendall(content)
            if finish:
                peer.shutdown(socket.SHUT_WR)
            received = b""
            while piece := peer.recv(65536):
                received += piece
        return received

    return send_raw


def test_it_listens_on_loopback_only(server):
    assert server.url == f"http://127.0.0.1:{server.port}"
    assert server.port > 0


def test_paths_parameters_and_queries_are_decoded(client):
    answer = client.post("/echo/a%2Fb%20c/end?x=1&x=2&y=", content=b"body")
    assert answer.json() == {
        "method": "POST",
        "path": "/echo/a/b c/end",
        "query": {"x": "1", "y": ""},
        "parameters": {"name": "a/b c"},
        "body": "body",
    }
    assert answer.headers["X-Seen"] == "yes"
    assert client.get("/rest/a/b/c").json()["parameters"] == {"rest": "a/b/c"}


def test_head_is_get_without_the_body(client):
    answer = client.head("/echo/a/end")
    assert answer.content == b""
    assert int(answer.headers["Content-Length"]) > 0


def test_a_connection_is_kept_for_the_next_request(client):
    first = client.get("/echo/a/end").extensions["network_stream"].get_extra_info("client_addr")
    client.delete("/nothing")
    client.get("/refused")
    last = client.get("/echo/b/end").extensions["network_stream"].get_extra_info("client_addr")
    assert first == last


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/nowhere", 404, "Not Found"),
        ("PUT", "/nothing", 405, "Method Not Allowed"),
        ("BREW", "/echo/a/end", 405, "Method Not Allowed"),
        ("GET", "/refused", 418, "no coffee"),
        ("GET", "/bad-input", 400, "not what it should be"),
    ],
)
def test_refusals_are_worded_as_errors(client, method, path, status, message):
    answer = client.request(method, path)
    assert answer.status_code == status
    assert answer.json() == {"code": status, "message": message}


def test_a_stand_in_words_its_errors_itself():
    def shape(refusal):
        return Response(refusal.status, body=f"{refusal.message} {refusal.facts['why']}".encode())

    routes = [Route("GET", "/", fail(Refusal(400, "no", why="because")))]
    with LoopbackServer("test", routes, shape_error=shape) as server:
        assert httpx.get(server.url, trust_env=False).text == "no because"


def test_a_body_beyond_the_limit_is_refused_even_while_it_is_sent(client):
    answer = client.post("/echo/a/end", content=b"x" * (3 * MIB))
    assert answer.status_code == 413
    assert answer.headers["Connection"] == "close"


def test_what_an_answer_leaves_unread_is_dropped(client):
    assert client.post("/unread", content=b"x" * (3 * MIB)).status_code == 200
    assert client.get("/echo/a/end").status_code == 200


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"POST /count HTTP/1.1\r\n\r\n", b"411"),
        (b"POST /count HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", b"411"),
        (b"POST /count HTTP/1.1\r\nContent-Length: -1\r\n\r\n", b"400"),
        (b"POST /count HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab", b"400"),
        (b"POST /count HTTP/1.1\r\nContent-Length: " + 20 * b"9" + b"\r\n\r\n", b"400"),
        (b"GET /echo/a/end?" + 200 * b"a=1&" + b" HTTP/1.1\r\nConnection: close\r\n\r\n", b"400"),
        (b"GET /echo/a/end HTTP/1.1\r\n" + 200 * b"a: b\r\n" + b"\r\n", b"431"),
        (b"nonsense\r\n\r\n", b"400"),
        (b"GET /" + 70000 * b"a" + b" HTTP/1.1\r\n\r\n", b"414"),
    ],
)
def test_malformed_requests_are_refused_with_their_reason(send_raw, head, status):
    answer = send_raw(head)
    assert answer.split()[1] == status
    assert b'"message"' in answer


def test_a_file_is_sent_from_its_position_and_closed(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"0123456789")
    opened = []

    def answer(_request):
        stream = path.open("rb")
        stream.seek(4)
        opened.append(stream)
        return Response(body=stream)

    with (
        LoopbackServer("test", [Route("GET", "/file", answer)]) as server,
        httpx.Client(base_url=server.url, trust_env=False) as client,
    ):
        assert client.get("/file").content == b"456789"
        assert client.head("/file").headers["Content-Length"] == "6"
    # The server has stopped: no answer is still being finished.
    assert [stream.closed for stream in opened] == [True, True]


def test_a_file_shorter_than_announced_breaks_the_connection(tmp_path):
    (tmp_path / "file").write_bytes(b"abc")
    routes = [
        Route("GET", "/", lambda _r: Response(body=(tmp_path / "file").open("rb"), length=9)),
    ]
    with LoopbackServer("test", routes) as server, pytest.raises(httpx.RemoteProtocolError):
        httpx.get(server.url, trust_env=False)


def test_iterators_are_sent_chunked_or_with_their_length(client):
    assert len(client.get("/iterator").content) == 3 * MIB
    assert client.get("/sized").headers["Content-Length"] == "30"
    assert client.get("/typed").json() == {}


def test_a_truncated_answer_ends_early(client):
    with pytest.raises(httpx.RemoteProtocolError):
        client.get("/short")


@pytest.mark.parametrize("path", ["/vanish", "/reset"])
def test_an_ordered_reset_is_a_reset(client, path):
    with pytest.raises(httpx.ReadError):
        client.get(path)


def test_a_large_file_goes_both_ways_in_bounded_memory(tmp_path):
    size = 256 * MIB
    sparse = tmp_path / "sparse"
    with sparse.open("wb") as stream:
        stream.truncate(size)
    routes = [
        Route("PUT", "/", count, max_body_bytes=size),
        Route("GET", "/", lambda _request: Response(body=sparse.open("rb"))),
    ]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with LoopbackServer("test", routes) as server:
        address = ("127.0.0.1", server.port)
        with socket.create_connection(address, timeout=60) as peer, sparse.open("rb") as stream:
            peer.sendall(b"PUT / HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % size)
            peer.sendfile(stream)
            answer = b""
            while not answer.endswith(b"%d" % size):
                answer += peer.recv(65536)
            peer.sendall(b"GET / HTTP/1.1\r\nConnection: close\r\n\r\n")
            buffer, received = bytearray(MIB), 0
            while got := peer.recv_into(buffer):
                received += got
    assert size < received < size + 1000
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 32 * 1024


def test_a_client_that_stops_sending_is_noticed_by_the_answer():
    seen = threading.Event()

    def answer(request):
        try:
            request.body.read()
        except BrokenBody:
            seen.set()
            raise
        return Response()

    with LoopbackServer("test", [Route("POST", "/", answer)]) as server:
        with socket.create_connection(("127.0.0.1", server.port)) as peer:
            peer.sendall(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc")
            peer.shutdown(socket.SHUT_WR)
            assert peer.recv(100) == b""
        with socket.create_connection(("127.0.0.1", server.port)) as peer:
            peer.sendall(b"POST / HTTP/1.1\r\nContent-Length: 100\r\n\r\nabc")
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        assert seen.wait(20)


def test_a_silent_client_is_dropped_after_the_timeout():
    with LoopbackServer("test", [Route("POST", "/", count)], timeout_seconds=0.05) as server:
        for sent in (b"", b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nabc"):
            with socket.create_connection(("127.0.0.1", server.port), timeout=20) as peer:
                peer.sendall(sent)
                assert peer.recv(100) == b""


def test_leaving_releases_stalled_answers_and_idle_connections():
    started = threading.Event()

    def stall(request):
        started.set()
        request.closing.wait(60)
        raise Disconnect

    with LoopbackServer("stalling", [Route("GET", "/", stall)]) as server:
        idle = socket.create_connection(("127.0.0.1", server.port))
        stalled = socket.create_connection(("127.0.0.1", server.port))
        stalled.sendall(b"GET / HTTP/1.1\r\n\r\n")
        assert started.wait(20)
    server.close()
    with idle, stalled, pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", server.port)).close()
    assert not [one for one in threading.enumerate() if one.name.startswith("stalling ")]


def test_a_listener_that_fails_does_not_keep_the_server_from_closing():
    with LoopbackServer("failing", []) as server:
        server.socket.shutdown(socket.SHUT_RDWR)
    assert not [one for one in threading.enumerate() if one.name.startswith("failing ")]


def test_a_bug_of_a_stand_in_is_a_500_and_is_raised_on_leaving():
    server = LoopbackServer("test", [Route("GET", "/", fail(KeyError("a bug")))])
    with pytest.raises(KeyError, match="a bug"), server:
        assert httpx.get(server.url, trust_env=False).status_code == 500


def test_a_bug_in_the_middle_of_a_body_is_raised_on_leaving():
    def broken():
        yield b"abc"
        raise KeyError("a bug")

    server = LoopbackServer("test", [Route("GET", "/", lambda _r: Response(body=broken()))])
    with pytest.raises(KeyError, match="a bug"), server, pytest.raises(httpx.HTTPError):
        httpx.get(server.url, trust_env=False)


def test_a_port_in_use_is_an_error_with_advice(server):
    with pytest.raises(UsageError, match=f"port {server.port}: in use already") as caught:
        LoopbackServer("second", [], port=server.port)
    assert caught.value.hint


def test_a_server_that_was_never_entered_closes_too():
    server = LoopbackServer("test", [])
    server.close()
    with LoopbackServer("next", [], port=server.port):
        pass


def test_a_response_of_bytes_io_is_sent_from_its_position():
    with LoopbackServer(
        "test", [Route("GET", "/", lambda _r: Response(body=io.BytesIO(b"abc")))]
    ) as server:
        assert httpx.get(server.url, trust_env=False).content == b"abc"


def test_a_server_that_nobody_can_reach_still_stops():
    server = LoopbackServer("lonely", [])
    with server:
        server.port = 1  # nothing listens there, as in a network namespace without loopback
        server.close()
    assert not server.acceptor.is_alive()
