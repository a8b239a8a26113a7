"""The typed calls, with GitHub mocked: what is sent, what is understood, what is refused."""

import contextlib
import json
import socket
import threading
import traceback

import httpx
import pytest
import respx

from release_tool.core.artifact import Artifact
from release_tool.core.digest import Sha256
from release_tool.core.errors import (
    CannotVerify,
    ConflictError,
    InputError,
    PublishError,
    TryAgain,
    UsageError,
)
from release_tool.core.names import CommitId, Latest, RepoSlug, Tag
from release_tool.core.patience import Patience
from release_tool.core.progress import Silent
from release_tool.github.attestation import ATTEMPTS, LIST_LAG_POLLS, Kept, keep_bundle
from release_tool.github.client import PAGE_BYTES, open_github
from release_tool.github.failures import AlreadyExists, Moved, NotFound, Refused
from release_tool.github.remote import RemoteAsset
from release_tool.github.wire import BYTES_TYPE, Call
from release_tool.net.failures import AnswerLost, TooSlow

API = "https://api.github.com"
REPO = RepoSlug("owner", "name")
ROOT = f"{API}/repos/owner/name"
SECRET = "ghp_averysecrettokenthatnobodymaysee0123"
ASSET = {
    "id": 7,
    "name": "a.txt",
    "state": "uploaded",
    "size": 3,
    "digest": str(Sha256.of_bytes(b"abc")),
    "created_at": "2026-01-02T03:04:05Z",
}
RELEASE = {
    "id": 5,
    "tag_name": "v1",
    "target_commitish": "main",
    "draft": True,
    "body": None,
    "html_url": "https://github.com/owner/name/releases/5",
    "upload_url": "https://uploads.github.com/repos/owner/name/releases/5/assets{?name,label}",
    "assets": [ASSET],
}
REPOSITORY = {"full_name": "owner/name", "default_branch": "main", "permissions": {"push": True}}


@pytest.fixture
def mocked():
    with respx.mock(assert_all_called=False) as router:
        yield router


@pytest.fixture
def naps():
    return []


@pytest.fixture
def github(mocked, naps):
    with open_github(API, SECRET, sleep=naps.append, clock=lambda: 1_000_000.0) as made:
        yield made


@pytest.fixture
def artifact(tmp_path):
    path = tmp_path / "a.txt"
    path.write_bytes(b"abc")
    return Artifact.of_file(path), path


def test_a_call_carries_version_token_and_type(mocked, github):
    route = mocked.get(ROOT).respond(json=REPOSITORY)
    found = github.fetch_repository(REPO)
    assert (found.full_name, found.default_branch, found.push) == ("owner/name", "main", True)
    sent = route.calls.last.request.headers
    assert sent["authorization"] == f"Bearer {SECRET}"
    assert sent["x-github-api-version"] == "2026-03-10"
    assert sent["accept"] == "application/vnd.github+json"
    assert sent["user-agent"] == "release-tool"


def test_without_a_token_no_authorization_is_sent(mocked):
    route = mocked.get(ROOT).respond(json=REPOSITORY)
    with open_github(API) as github:
        github.fetch_repository(REPO)
        assert github.token is None
    assert "authorization" not in route.calls.last.request.headers


def test_every_call_has_timeouts(mocked, github):
    route = mocked.get(ROOT).respond(json=REPOSITORY)
    github.fetch_repository(REPO)
    timeout = route.calls.last.request.extensions["timeout"]
    assert all(0 < timeout[name] <= 60 for name in ("connect", "read", "write", "pool"))


def test_lists_are_followed_page_by_page(mocked, github):
    more = {"Link": f'<{ROOT}/releases?per_page=100&page=2>; rel="next"'}
    mocked.get(f"{ROOT}/releases?per_page=100&page=2").respond(json=[RELEASE | {"id": 6}])
    mocked.get(f"{ROOT}/releases?per_page=100").respond(json=[RELEASE], headers=more)
    assert [release.id for release in github.fetch_releases(REPO)] == [5, 6]


def test_a_next_page_on_another_host_is_not_followed(mocked, github):
    link = {"Link": '<https://evil.example/releases?page=2>; rel="next"'}
    mocked.get(f"{ROOT}/releases").respond(json=[], headers=link)
    with pytest.raises(PublishError, match="another host"):
        github.fetch_releases(REPO)


@pytest.mark.parametrize("place", ["https://host:port", ""])
def test_a_next_page_that_is_no_address_is_none(mocked, github, place):
    mocked.get(f"{ROOT}/releases").respond(json=[], headers={"Link": f'<{place}>; rel="next"'})
    assert github.fetch_releases(REPO) == ()


def test_a_list_without_end_is_given_up(mocked, github):
    link = {"Link": f'<{ROOT}/releases?page=2>; rel="next"'}
    mocked.get(f"{ROOT}/releases").respond(json=[], headers=link)
    with pytest.raises(PublishError, match="does not end"):
        github.fetch_releases(REPO)


def test_what_is_absent_is_none(mocked, github):
    mocked.get(f"{ROOT}/releases/tags/v1").respond(404)
    mocked.get(f"{ROOT}/releases/9").respond(404)
    mocked.get(f"{ROOT}/commits/nowhere").respond(422, json={"message": "No commit found"})
    mocked.get(f"{ROOT}/immutable-releases").respond(404)
    assert github.fetch_release_by_tag(REPO, Tag("v1")) is None
    assert github.fetch_release(REPO, 9) is None
    assert github.fetch_commit(REPO, "nowhere") is None
    assert github.fetch_immutable_setting(REPO) is None


def test_commits_and_settings_are_read(mocked, github):
    mocked.get(f"{ROOT}/commits/tags/v1").respond(json={"sha": "ab" * 20})
    mocked.get(f"{ROOT}/immutable-releases").respond(json={"enabled": True})
    assert github.fetch_commit(REPO, "tags/v1") == CommitId("ab" * 20)
    assert github.fetch_immutable_setting(REPO) is True
    mocked.get(f"{ROOT}/immutable-releases").respond(403, json={"message": "no"})
    assert github.fetch_immutable_setting(REPO) is None


def test_a_renamed_repository_is_followed_on_the_same_origin(mocked, github):
    mocked.get(ROOT).respond(301, headers={"Location": f"{API}/repositories/42"})
    mocked.get(f"{API}/repositories/42").respond(json=REPOSITORY | {"full_name": "owner/new"})
    assert github.fetch_repository(REPO).full_name == "owner/new"


@pytest.mark.parametrize("place", ["https://evil.example/x", "", ROOT])
def test_a_repository_that_moved_out_of_reach_is_refused(mocked, github, place):
    mocked.get(ROOT).respond(301, headers={"Location": place})
    with pytest.raises(Moved):
        github.fetch_repository(REPO)


def test_a_redirect_elsewhere_in_the_api_is_refused_with_advice(mocked, github):
    mocked.get(f"{ROOT}/releases").respond(307, headers={"Location": f"{API}/elsewhere"})
    with pytest.raises(Moved) as caught:
        github.fetch_releases(REPO)
    assert "present name" in str(caught.value.hint)


def test_a_draft_is_asked_for_with_everything_that_it_needs(mocked, github):
    route = mocked.post(f"{ROOT}/releases").respond(201, json=RELEASE)
    made = github.send_draft(REPO, Tag("v1"), target="main", title="T", body="B")
    assert made.id == 5
    assert json.loads(route.calls.last.request.content) == {
        "tag_name": "v1",
        "name": "T",
        "body": "B",
        "draft": True,
        "target_commitish": "main",
    }
    github.send_draft(REPO, Tag("v1"), target=None, title="T", body="B")
    assert "target_commitish" not in json.loads(route.calls.last.request.content)


def test_publishing_repeats_tag_and_target_and_make_latest_is_a_string(mocked, github):
    route = mocked.patch(f"{ROOT}/releases/5").respond(json=RELEASE | {"draft": False})
    mocked.get(f"{ROOT}/releases/5").respond(json=RELEASE)
    release = github.fetch_release(REPO, 5)
    github.send_publication(REPO, release, Tag("v1"), target="main", latest=Latest.NO)
    assert json.loads(route.calls.last.request.content) == {
        "tag_name": "v1",
        "target_commitish": "main",
        "draft": False,
        "make_latest": "false",
    }


def test_an_upload_goes_to_the_upload_host_with_its_length(mocked, github, artifact):
    mocked.get(f"{ROOT}/releases/5").respond(json=RELEASE)
    url = "https://uploads.github.com/repos/owner/name/releases/5/assets"
    route = mocked.post(url, params={"name": "a.txt"}).respond(201, json=ASSET)
    release = github.fetch_release(REPO, 5)
    assert github.send_asset(release, *artifact).name == "a.txt"
    sent = route.calls.last.request
    assert sent.headers["content-length"] == "3"
    assert "transfer-encoding" not in sent.headers
    assert sent.headers["authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize(
    "template",
    [
        "https://evil.example/repos/owner/name/releases/5/assets{?name,label}",
        "https://uploads.github.com.evil.example/releases/5/assets",
        "https://uploads.github.com@evil.example/releases/5/assets",
        "https://user@uploads.github.com/releases/5/assets",
        "http://uploads.github.com/repos/owner/name/releases/5/assets{?name,label}",
        "https://uploads.github.com:8443/repos/owner/name/releases/5/assets",
        "https://uploads.github.com/repos/owner/name/releases/6/assets{?name,label}",
        "not an address",
        "https://host:port",
    ],
)
def test_an_upload_address_elsewhere_never_sees_the_token(mocked, github, artifact, template):
    mocked.get(f"{ROOT}/releases/5").respond(json=RELEASE | {"upload_url": template})
    release = github.fetch_release(REPO, 5)
    with pytest.raises(PublishError):
        github.send_asset(release, *artifact)
    assert len(mocked.calls) == 1


def test_an_enterprise_server_is_not_github_coms_upload_host(mocked, artifact):
    api = "https://ghe.example/api/v3"
    mocked.get(f"{api}/repos/owner/name/releases/5").respond(json=RELEASE)
    with open_github(f"{api}/", SECRET) as github:
        release = github.fetch_release(REPO, 5)
        assert release is not None
        with pytest.raises(PublishError, match="another host"):
            github.send_asset(release, *artifact)


def test_an_enterprise_upload_on_the_same_origin_is_taken(mocked, artifact):
    api = "https://ghe.example/api/v3"
    upload = "https://ghe.example/api/uploads/repos/owner/name/releases/5/assets"
    mocked.get(f"{api}/repos/owner/name/releases/5").respond(
        json=RELEASE | {"upload_url": upload + "{?name,label}"}
    )
    mocked.post(upload).respond(201, json=ASSET)
    with open_github(api, SECRET) as github:
        release = github.fetch_release(REPO, 5)
        assert release is not None
        github.send_asset(release, *artifact)


def remote_asset(size=3):
    return RemoteAsset(7, "a.txt", "uploaded", size, None, 0.0)


def test_a_download_follows_the_redirect_without_the_token(mocked, github):
    mocked.get(f"{ROOT}/releases/assets/7").respond(
        302, headers={"Location": "https://cdn.example/7"}
    )
    route = mocked.get("https://cdn.example/7").respond(content=b"abc")
    assert github.fetch_asset_digest(REPO, remote_asset()) == Sha256.of_bytes(b"abc")
    sent = route.calls.last.request.headers
    assert "authorization" not in sent
    assert "x-github-api-version" not in sent


@pytest.mark.parametrize("place", ["http://cdn.example/7", "https://user:pw@cdn.example/7"])
def test_a_download_is_not_redirected_to_an_unsafe_address(mocked, github, place):
    mocked.get(f"{ROOT}/releases/assets/7").respond(302, headers={"Location": place})
    with pytest.raises(PublishError, match=r"not an https|with a login"):
        github.fetch_asset_digest(REPO, remote_asset())


@pytest.mark.parametrize("place", ["", "https://host:port"])
def test_a_download_that_is_redirected_nowhere_is_tried_again(mocked, github, place):
    route = mocked.get(f"{ROOT}/releases/assets/7")
    route.respond(302, headers={"Location": place})
    with pytest.raises(TryAgain, match=r"redirects to nowhere|Invalid URL"):
        github.fetch_asset_digest(REPO, remote_asset())
    assert route.call_count == 5


def test_a_download_that_is_redirected_for_ever_is_given_up(mocked, github):
    place = f"{ROOT}/releases/assets/7"
    mocked.get(place).respond(302, headers={"Location": place})
    with pytest.raises(PublishError, match="more than 5 times"):
        github.fetch_asset_digest(REPO, remote_asset())


def test_a_download_of_the_wrong_length_is_tried_again(mocked, github, naps):
    mocked.get(f"{ROOT}/releases/assets/7").mock(
        side_effect=[
            httpx.Response(200, html="<html>Unicorn!</html>"),
            httpx.Response(200, content=b"ab"),
            httpx.Response(200, content=b"abc"),
        ]
    )
    assert github.fetch_asset_digest(REPO, remote_asset()) == Sha256.of_bytes(b"abc")
    assert len(naps) == 2


def test_a_removal_of_what_has_gone_is_fine_and_a_page_is_no_answer(mocked, github, naps):
    mocked.delete(f"{ROOT}/releases/assets/7").mock(
        side_effect=[httpx.Response(200, html="<html>"), httpx.Response(404)]
    )
    github.send_removal(REPO, remote_asset())
    assert len(naps) == 1


# Attestations: looked for before they are stored, and before they are stored again.

SUBJECT = Sha256.of_bytes(b"abc")
KEPT = f"{ROOT}/attestations/{SUBJECT}?per_page=30"
ENVELOPE = {"payload": "e30=", "payloadType": "t", "signatures": [{"sig": "c2ln"}]}
BUNDLE = {"mediaType": "m", "dsseEnvelope": ENVELOPE}
STORED = httpx.Response(201, json={"id": 1})


def listing(*bundles):
    listed = [{"bundle": bundle, "bundle_url": "https://x.test/y"} for bundle in bundles]
    return httpx.Response(200, json={"attestations": listed})


def keep(github, bundle=BUNDLE):
    return keep_bundle(github, REPO, SUBJECT, json.dumps(bundle).encode())


def test_an_attestation_is_stored_if_it_is_not_there(mocked, github):
    other = {"dsseEnvelope": {**ENVELOPE, "signatures": [{"sig": "b3RoZXI="}]}}
    look = mocked.get(KEPT).mock(return_value=listing(other, None, {"dsseEnvelope": 1}, {}))
    route = mocked.post(f"{ROOT}/attestations").mock(return_value=STORED)
    assert keep(github) is Kept.STORED
    assert json.loads(route.calls.last.request.content) == {"bundle": BUNDLE}
    # The newest version of the API leaves the bundles out.
    assert look.calls.last.request.headers["x-github-api-version"] == "2022-11-28"
    assert route.calls.last.request.headers["x-github-api-version"] == "2026-03-10"


def test_only_a_statement_can_be_an_attestation(github):
    with pytest.raises(InputError, match="DSSE"):
        keep(github, {"messageSignature": {}})


def test_an_attestation_that_is_there_is_not_stored_again_however_it_is_written(mocked, github):
    signatures = [{"keyid": "", "sig": "c2ln"}]
    written = {"mediaType": "n", "dsseEnvelope": {**ENVELOPE, "signatures": signatures}}
    mocked.get(KEPT).mock(
        return_value=httpx.Response(
            200, json={"attestations": []}, headers={"link": f'<{KEPT}&after=x>; rel="next"'}
        )
    )
    mocked.get(f"{KEPT}&after=x").mock(return_value=listing(written))
    assert keep(github) is Kept.ALREADY


@pytest.mark.parametrize("status", [403, 404])
def test_an_attestation_that_the_token_may_not_store_is_no_failure(mocked, github, status):
    mocked.get(KEPT).mock(return_value=listing())
    mocked.post(f"{ROOT}/attestations").respond(status, json={"message": "no"})
    assert keep(github) is Kept.FORBIDDEN


UNTOLD = [httpx.Response(403), httpx.Response(404), listing(None), httpx.Response(422)]


@pytest.mark.parametrize("answer", UNTOLD, ids=["403", "404", "without bundles", "422"])
def test_where_attestations_cannot_be_looked_up_one_is_sent_once(mocked, github, answer):
    mocked.get(KEPT).mock(return_value=answer)
    route = mocked.post(f"{ROOT}/attestations").mock(return_value=STORED)
    assert keep(github) is Kept.STORED
    route.mock(side_effect=httpx.ReadError("lost"))
    with pytest.raises(AnswerLost):
        keep(github)
    assert route.call_count == 2


@pytest.mark.parametrize("lag", range(LIST_LAG_POLLS + 1))
def test_an_attestation_whose_answer_was_lost_is_looked_for(mocked, github, naps, lag):
    answers = [listing()] * (1 + lag) + [listing(BUNDLE)]
    mocked.get(KEPT).mock(side_effect=answers)
    route = mocked.post(f"{ROOT}/attestations").mock(side_effect=httpx.ReadError("lost"))
    assert keep(github) is Kept.STORED
    assert route.call_count == 1
    assert len(naps) == lag


def test_an_attestation_that_surely_was_not_stored_is_sent_again(mocked, github):
    mocked.get(KEPT).mock(return_value=listing())
    route = mocked.post(f"{ROOT}/attestations")
    route.mock(side_effect=[httpx.ReadError("lost"), STORED])
    assert keep(github) is Kept.STORED
    route.mock(side_effect=httpx.ReadError("lost"))
    with pytest.raises(AnswerLost):
        keep(github)
    assert route.call_count == 2 + ATTEMPTS


def test_an_attestation_is_not_sent_again_once_looking_is_refused(mocked, github):
    mocked.get(KEPT).mock(side_effect=[listing(), httpx.Response(403)])
    route = mocked.post(f"{ROOT}/attestations").mock(side_effect=httpx.ReadError("lost"))
    with pytest.raises(AnswerLost):
        keep(github)
    assert route.call_count == 1


def test_a_page_of_attestations_that_is_none_is_asked_for_again(mocked, github, naps):
    answers = [httpx.Response(200, json=[]), httpx.Response(200, json={"attestations": [7]})]
    mocked.get(KEPT).mock(side_effect=[*answers, listing(BUNDLE)])
    assert keep(github) is Kept.ALREADY
    assert len(naps) == 2


# What GitHub says when it refuses.


def test_errors_carry_the_reason_the_field_and_the_request_id(mocked, github):
    mocked.post(f"{ROOT}/releases").respond(
        422,
        json={"message": "Validation Failed", "errors": [{"field": "tag_name", "code": "invalid"}]},
        headers={"X-GitHub-Request-Id": "AB:12"},
    )
    with pytest.raises(Refused) as caught:
        github.send_draft(REPO, Tag("v1"), target=None, title="", body="")
    assert str(caught.value) == (
        "making the draft of v1 failed: GitHub answered 422, Validation Failed: "
        "tag_name invalid (request AB:12)"
    )


@pytest.mark.parametrize(
    ("status", "document", "kind"),
    [
        (401, {"message": "Bad credentials"}, Refused),
        (403, {"message": "no"}, Refused),
        (404, {"message": "Not Found"}, NotFound),
        (410, {}, NotFound),
        (409, [], Refused),
        (418, {"errors": "odd"}, Refused),
        (408, {}, AnswerLost),
        (500, {"message": 5, "errors": ["one", {"message": "two"}]}, AnswerLost),
        (422, {"errors": [{"code": "already_exists"}]}, AlreadyExists),
        (
            422,
            {"errors": [{"message": "tag_name was used by an immutable release"}]},
            ConflictError,
        ),
    ],
)
def test_statuses_become_the_right_errors(mocked, github, status, document, kind):
    mocked.post(f"{ROOT}/releases").respond(status, json=document)
    with pytest.raises(kind):
        github.send_draft(REPO, Tag("v1"), target=None, title="", body="")


def test_html_error_bodies_are_understood(mocked, github):
    page = "<html><head><title>Unicorn!\n &middot; GitHub</title>" + "x" * 100_000
    mocked.post(f"{ROOT}/releases").respond(502, html=page)
    with pytest.raises(AnswerLost, match=r"an HTML page titled 'Unicorn! &middot; GitHub'"):
        github.send_draft(REPO, Tag("v1"), target=None, title="", body="")
    mocked.post(f"{ROOT}/releases").respond(502, html="<html>")
    with pytest.raises(AnswerLost, match=r"502, an HTML page$"):
        github.send_draft(REPO, Tag("v1"), target=None, title="", body="")


def test_foreign_text_cannot_steer_the_terminal(mocked, github):
    mocked.get(f"{ROOT}/releases").respond(
        403, json={"message": "\x1b[2Jgone\r\nsecond\u202e line"}
    )
    with pytest.raises(Refused) as caught:
        github.fetch_releases(REPO)
    assert str(caught.value).isprintable()


def test_an_answer_that_cannot_be_read_is_asked_for_again(mocked, github, naps):
    mocked.get(f"{ROOT}/releases").mock(
        side_effect=[
            httpx.Response(200, html="<html>"),
            httpx.Response(200, content=b'[{"id": 1'),
            httpx.Response(200, json={"not": "a list"}),
            httpx.Response(200, json=[RELEASE]),
        ]
    )
    assert len(github.fetch_releases(REPO)) == 1
    assert len(naps) >= 3  # a pause of three seconds and more is told second by second
    assert 0 < sum(naps) <= 1 + 2 + 4


@pytest.mark.parametrize(
    "spoiled",
    [
        {"id": "5"},
        {"id": True},
        {"id": -1},
        {"id": 2**70},
        {"draft": 0},
        {"tag_name": None},
        {"tag_name": "x" * (1024 * 1024 + 1)},
        {"assets": None},
        {"assets": ["a"]},
        {"assets": [ASSET | {"created_at": "yesterday"}]},
        {"assets": [ASSET | {"created_at": "2026-01-02T03:04:05"}]},
    ],
)
def test_a_release_that_is_none_is_not_believed(mocked, github, spoiled):
    mocked.post(f"{ROOT}/releases").respond(201, json=RELEASE | spoiled)
    with pytest.raises(AnswerLost):
        github.send_draft(REPO, Tag("v1"), target=None, title="", body="")


@pytest.mark.parametrize("digest", [None, "sha512:00", "sha256:zz", 5])
def test_a_digest_that_is_no_sha256_counts_as_none(mocked, github, digest):
    mocked.get(f"{ROOT}/releases/5/assets").respond(json=[ASSET | {"digest": digest}])
    assert github.fetch_assets(REPO, 5)[0].digest is None


def test_a_commit_without_an_id_is_not_believed(mocked, github):
    mocked.get(f"{ROOT}/commits/main").respond(json={"sha": "abc"})
    with pytest.raises(TryAgain, match="a commit without an id"):
        github.fetch_commit(REPO, "main")


def test_an_answer_that_is_too_long_is_refused(mocked, github):
    mocked.get(f"{ROOT}/releases").respond(content=b" " * (16 * 1024 * 1024 + 1))
    with pytest.raises(PublishError, match="too long"):
        github.fetch_releases(REPO)


def test_an_answer_that_trickles_is_given_up(mocked, github):
    ticks = iter(range(0, 10_000, 100))
    github.wire.sockets.clock = lambda: next(ticks)

    def trickle():
        while True:
            yield b" "

    mocked.get(f"{ROOT}/releases").mock(
        side_effect=lambda _: httpx.Response(200, content=trickle())
    )
    with pytest.raises(TryAgain, match="it takes too long"):
        github.fetch_releases(REPO)


DRIPPED = {
    "headers": b"HTTP/1.1 200 OK\r\nX-Drip: ",
    "an error": b"HTTP/1.1 500 No\r\nContent-Length: 1000000\r\n\r\n",
    "JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n{",
    "a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=",
}


@pytest.fixture(params=DRIPPED)
def dripping(request):
    """A server that sends a byte now and then until the client hangs up, whatever that takes."""
    connections: list[socket.socket] = []

    def serve():
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listener.accept()
                connections.append(connection)
                with contextlib.suppress(OSError), connection:
                    connection.recv(65536)
                    connection.sendall(DRIPPED[request.param])
                    connection.settimeout(0.01)
                    while True:
                        connection.sendall(b"1")
                        with contextlib.suppress(TimeoutError):
                            if not connection.recv(1):
                                break

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", connections
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)
        assert not thread.is_alive()


def test_a_server_that_drips_is_given_up_after_two_short_attempts(dripping, naps):
    api, connections = dripping
    with (
        open_github(api, sleep=naps.append, answer_seconds=0.1) as github,
        pytest.raises(TryAgain, match="it takes too long"),
    ):
        github.fetch_repository(REPO)
    assert len(connections) == 2
    assert len(naps) == 1


def test_a_small_answer_has_half_a_minute_and_a_file_as_long_as_it_needs(github):
    allowed = github.wire.allowed_seconds
    assert allowed(Call("asking", "GET", API)) == 30
    assert allowed(Call("listing", "GET", API, size=PAGE_BYTES)) == 30 + 32
    size = 32 * 1024 * 100
    assert allowed(Call("downloading", "GET", API, accept=BYTES_TYPE, size=size)) == 120 + 100
    headers = {"Content-Type": BYTES_TYPE}
    assert allowed(Call("uploading", "POST", API, headers=headers)) == 120


@pytest.mark.parametrize("error", [httpx.ReadTimeout, httpx.WriteTimeout])
def test_who_is_silent_for_too_long_is_asked_twice(mocked, github, error):
    route = mocked.get(f"{ROOT}/releases").mock(side_effect=error(""))
    with pytest.raises(TryAgain, match=error.__name__) as caught:
        github.fetch_releases(REPO)
    assert isinstance(caught.value.__cause__, TooSlow)
    assert route.call_count == 2


def test_what_is_insisted_on_is_tried_five_times_and_not_for_longer_than_two_minutes(naps):
    now = [0.0]
    tries = []

    def fail():
        tries.append(now[0])
        raise CannotVerify("not there")

    patience = Patience(Silent(), naps.append, lambda: now[0])
    with pytest.raises(CannotVerify):
        patience.insist(fail, TryAgain, CannotVerify)
    assert len(tries) == 5
    assert 0.5 + 1 + 2 + 4 <= sum(naps) <= 1 + 2 + 4 + 8
    with pytest.raises(CannotVerify):
        patience.insist(fail, TryAgain)
    assert len(tries) == 6

    def fail_slowly():
        now[0] += 100
        fail()

    with pytest.raises(CannotVerify):
        patience.insist(fail_slowly, CannotVerify)
    assert len(tries) == 8


# Repeats and waits.


def test_what_asks_only_is_repeated_and_what_orders_is_not(mocked, github, naps):
    reads = mocked.get(f"{ROOT}/releases").respond(500)
    orders = mocked.post(f"{ROOT}/releases").respond(500)
    with pytest.raises(TryAgain) as caught:
        github.fetch_releases(REPO)
    assert not isinstance(caught.value, AnswerLost)
    assert reads.call_count == 5
    assert 0.5 + 1 + 2 + 4 <= sum(naps) <= 1 + 2 + 4 + 8
    with pytest.raises(AnswerLost):
        github.send_draft(REPO, Tag("v1"), target=None, title="", body="")
    assert orders.call_count == 1


@pytest.mark.parametrize("error", [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout])
def test_what_was_never_sent_is_repeated_even_if_it_orders(mocked, github, error):
    route = mocked.post(f"{ROOT}/releases").mock(
        side_effect=[error("[Errno 111] Connection refused"), httpx.Response(201, json=RELEASE)]
    )
    github.send_draft(REPO, Tag("v1"), target=None, title="", body="")
    assert route.call_count == 2


@pytest.mark.parametrize("error", [httpx.ReadTimeout, httpx.ReadError, httpx.RemoteProtocolError])
def test_what_may_have_arrived_is_not_repeated(mocked, github, error):
    route = mocked.post(f"{ROOT}/releases").mock(side_effect=error(""))
    with pytest.raises(AnswerLost, match=error.__name__):
        github.send_draft(REPO, Tag("v1"), target=None, title="", body="")
    assert route.call_count == 1


def limited(status=429, **headers):
    return httpx.Response(
        status,
        json={"message": "slow down"},
        headers={name.replace("_", "-"): value for name, value in headers.items()},
    )


@pytest.mark.parametrize(
    ("answer", "waited"),
    [
        (limited(retry_after="5"), 5),
        (limited(403, retry_after="5"), 5),
        (limited(403, x_ratelimit_remaining="0", x_ratelimit_reset="1000007"), 8),
        (
            limited(
                429,
                retry_after="Tue, 13 Jan 1970 00:00:00 GMT",
                date="Mon, 12 Jan 1970 23:59:50 GMT",
            ),
            11,
        ),
        (limited(429, x_ratelimit_reset="2000007", date="Sat, 24 Jan 1970 03:33:20 GMT"), 8),
        (limited(429, retry_after="soon"), 60),
        (limited(429, retry_after="9" * 30, x_ratelimit_reset="9" * 30), 60),
        (limited(429, x_ratelimit_reset="5"), 1),
        (httpx.Response(403, json={"message": "You have exceeded a secondary rate limit"}), 60),
    ],
)
def test_a_rate_limit_is_obeyed_and_even_orders_are_repeated(mocked, github, naps, answer, waited):
    route = mocked.post(f"{ROOT}/releases").mock(
        side_effect=[answer, httpx.Response(201, json=RELEASE)]
    )
    github.send_draft(REPO, Tag("v1"), target=None, title="", body="")
    assert sum(naps) == waited
    assert all(nap <= 1 for nap in naps) or waited < 3
    assert route.call_count == 2


def test_a_limit_without_a_time_is_waited_for_a_minute_and_doubling(mocked, github, naps):
    mocked.get(f"{ROOT}/releases").mock(
        side_effect=[limited(), limited(), limited(), httpx.Response(200, json=[])]
    )
    github.fetch_releases(REPO)
    assert sum(naps) == 60 + 120 + 240


def test_a_wait_beyond_the_budget_ends_the_run_and_says_when(mocked, github, naps):
    mocked.get(f"{ROOT}/releases").mock(return_value=limited(retry_after="3600"))
    with pytest.raises(TryAgain, match="until 1970-01-12 14:46:40 UTC") as caught:
        github.fetch_releases(REPO)
    assert "1970-01-12 14:46:40 UTC" in str(caught.value.hint)
    assert not naps


def test_all_waiting_together_is_bounded(mocked, github, naps):
    mocked.get(f"{ROOT}/releases").mock(return_value=limited(retry_after="400"))
    with pytest.raises(TryAgain):
        github.fetch_releases(REPO)
    assert sum(naps) == 800
    github.patience.left = 0
    mocked.get(f"{ROOT}/releases").respond(500)
    with pytest.raises(TryAgain, match="waiting for too long"):
        github.fetch_releases(REPO)


def test_a_wait_is_visible_as_a_note_and_a_countdown(mocked):
    said: list[str] = []
    counted: list[int] = []

    class Listener(Silent):
        def note(self, text):
            said.append(text)

        def bar(self, name, total):
            said.append(f"{name} {total}")
            return contextlib.nullcontext(counted.append)

    mocked.get(f"{ROOT}/releases").mock(
        side_effect=[limited(retry_after="5"), httpx.Response(200, json=[])]
    )
    with open_github(API, SECRET, progress=Listener(), sleep=lambda _: None) as github:
        github.fetch_releases(REPO)
    failed = "listing the releases of owner/name failed: GitHub answered 429, slow down"
    assert said == [f"{failed}; attempt 2 of 5 in 5 s", "waiting for GitHub 5"]
    assert counted == [1] * 5


# Where the token may go.


@pytest.mark.parametrize(
    "address",
    [
        "http://api.github.com",
        "ftp://api.github.com",
        "https://user:pw@api.github.com",
        "https://api.github.com?x=1",
        "https://api.github.com#x",
        "api.github.com",
        "https://",
        "https://host:port",
        "http://127.0.0.1.evil.example",
        "",
    ],
)
def test_an_address_that_is_no_api_is_refused(address):
    with pytest.raises(UsageError, match="not the address of a GitHub API"):
        open_github(address, SECRET)


@pytest.mark.parametrize("address", ["http://localhost:1/", "http://[::1]:80", "http://127.0.0.9"])
def test_http_is_for_loopback(address):
    with open_github(address, SECRET) as github:
        assert github.wire.api.is_loopback


@pytest.mark.parametrize(
    "text", ["", "  ", "two words", "line\nbreak", "ümlaut", "x" * 5000, "a\0b"]
)
def test_a_token_that_is_none_is_refused_unquoted(text):
    with pytest.raises(PublishError) as caught:
        open_github(API, f"ghp_{text}\n{text}" if text.strip() else text)
    assert "ghp_" not in str(caught.value)


def test_white_space_around_a_token_is_dropped(mocked):
    route = mocked.get(ROOT).respond(json=REPOSITORY)
    with open_github(API, f" {SECRET}\n") as github:
        github.fetch_repository(REPO)
    assert route.calls.last.request.headers["authorization"] == f"Bearer {SECRET}"


def test_a_client_with_a_login_of_its_own_is_refused():
    with (
        httpx.Client(headers={"Authorization": "Bearer other"}) as client,
        pytest.raises(ValueError, match="of its own"),
    ):
        open_github(API, SECRET, client=client)


def test_a_client_that_was_passed_in_stays_open():
    with httpx.Client() as client:
        with open_github(API, SECRET, client=client):
            pass
        assert not client.is_closed


def test_a_clients_own_login_never_applies(mocked):
    route = mocked.get(ROOT).respond(json=REPOSITORY)
    with httpx.Client(auth=("user", "password"), follow_redirects=True) as client:
        open_github(API, client=client).fetch_repository(REPO)
    assert "authorization" not in route.calls.last.request.headers


def test_the_token_is_in_no_repr_and_in_no_error(mocked, github):
    mocked.get(f"{ROOT}/releases").respond(
        403, json={"message": f"bad {SECRET}"}, headers={"X-GitHub-Request-Id": SECRET}
    )
    with pytest.raises(Refused) as caught:
        github.fetch_releases(REPO)
    mocked.get(ROOT).mock(side_effect=httpx.ReadError(f"broken {SECRET}"))
    with pytest.raises(TryAgain) as lost:
        github.fetch_repository(REPO)
    shown = f"{caught.value} {lost.value} {github!r} {github.wire!r} {github.token!r}"
    assert SECRET not in shown
    assert SECRET not in "".join(traceback.format_exception(caught.value))
