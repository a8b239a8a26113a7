"""Fetching a release from a server that may be slow, wrong, hostile or gone."""

import json
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import httpx
import pytest
import respx

from release_tool.core.digest import Sha256
from release_tool.core.errors import CannotVerify, TryAgain
from release_tool.core.names import RepoSlug, Tag
from release_tool.core.progress import Advance, Silent
from release_tool.github.download import (
    fetch_attestations,
    fetch_release,
    fetch_release_bundle,
)
from release_tool.github.transfer import make_read_api
from release_tool.recipes import layout
from release_tool.recipes.u2netp import U2NETP
from release_tool.rehearsal.github.standin import start_github

API = "https://api.test"
WEB = "https://web.test/download"
STORE = "https://store.test/blob"
REPO, TAG = RepoSlug.parse("o/r"), Tag.parse("v1")
LISTING = f"{API}/repos/o/r/releases/tags/v1"
NAMES = U2NETP.names
LIMITS = layout.limits(NAMES, U2NETP.contract.limits.max_model_bytes)
NEEDED = [name for name in LIMITS if name != NAMES.notice]
CONTENTS = {name: f"content of {name}".encode() * 20 for name in NEEDED}
DIGEST = Sha256.of_bytes(b"model")


class Told(Silent):
    """A listener that keeps what it is told."""

    def __init__(self):
        self.notes: list[str] = []
        self.bytes: dict[str, int] = {}

    def note(self, text: str) -> None:
        self.notes.append(text)

    def bar(self, name: str, total: int) -> AbstractContextManager[Advance]:
        def advance(count: int) -> None:
            self.bytes[name] = self.bytes.get(name, 0) + count

        return nullcontext(advance)


def listing(**changes):
    assets = [
        {
            "name": name,
            "size": len(content),
            "digest": str(Sha256.of_bytes(content)),
            "url": f"{API}/assets/{name}",
            "browser_download_url": f"{WEB}/{name}",
            **changes.get(name, {}),
        }
        for name, content in CONTENTS.items()
    ]
    return {"assets": assets}


@pytest.fixture
def server():
    with respx.mock(assert_all_called=False) as mock:
        mock.get(LISTING).respond(json=listing())
        for name, content in CONTENTS.items():
            mock.get(f"{WEB}/{name}").respond(content=content)
        yield mock


def fetch(place: Path, token=None, progress=None, api=API):
    with httpx.Client(headers={"Authorization": "Basic leaked", "Cookie": "a=b"}) as client:
        return fetch_release(
            make_read_api(client, api, token),
            REPO,
            TAG,
            LIMITS,
            place,
            optional={NAMES.notice},
            progress=progress or Told(),
        )


def contents(place: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in place.iterdir()}


def test_a_release_is_fetched_whole(server, tmp_path):
    told = Told()
    assert fetch(tmp_path / "q", progress=told) == tmp_path / "q"
    assert contents(tmp_path / "q") == CONTENTS
    assert told.bytes == {name: len(content) for name, content in CONTENTS.items()}


def test_no_credentials_of_the_client_are_sent_anywhere(server, tmp_path):
    fetch(tmp_path)
    for call in server.calls:
        assert not {"authorization", "cookie"} & set(call.request.headers)
        assert call.request.headers["accept-encoding"] == "identity"


def test_the_token_goes_to_the_api_and_not_with_a_redirect(server, tmp_path):
    for name, content in CONTENTS.items():
        server.get(f"{API}/assets/{name}").respond(302, headers={"location": f"{STORE}/{name}"})
        server.get(f"{STORE}/{name}").respond(content=content)
    fetch(tmp_path, token="secret")
    assert contents(tmp_path) == CONTENTS
    for call in server.calls:
        sent = call.request.headers.get("authorization")
        assert sent == ("Bearer secret" if call.request.url.host == "api.test" else None)


def test_what_is_here_already_is_kept_and_not_asked_again(server, tmp_path):
    (tmp_path / NAMES.model).write_bytes(CONTENTS[NAMES.model])
    (tmp_path / NAMES.notice).write_bytes(b"of another release")
    told = Told()
    fetch(tmp_path, progress=told)
    assert told.notes == [f"{NAMES.model} is here already"]
    assert not (tmp_path / NAMES.notice).exists()


def test_a_partial_download_is_resumed(server, tmp_path):
    content = CONTENTS[NAMES.model]
    (tmp_path / f"{NAMES.model}.part").write_bytes(content[:100])
    route = server.get(f"{WEB}/{NAMES.model}").respond(
        206,
        content=content[100:],
        headers={"content-range": f"bytes 100-{len(content) - 1}/{len(content)}"},
    )
    fetch(tmp_path)
    assert route.calls[0].request.headers["range"] == "bytes=100-"
    assert contents(tmp_path) == CONTENTS


def test_a_server_without_ranges_starts_anew(server, tmp_path):
    (tmp_path / f"{NAMES.model}.part").write_bytes(b"x" * 100)
    fetch(tmp_path)
    assert contents(tmp_path) == CONTENTS


@pytest.mark.parametrize("length", [100, None, 10_000])
def test_a_partial_download_of_other_bytes_is_started_anew(server, tmp_path, length):
    content = CONTENTS[NAMES.model]
    size = len(content) if length is None else length
    (tmp_path / f"{NAMES.model}.part").write_bytes(b"x" * size)

    def answer(request):
        asked = request.headers.get("range")
        if asked is None:
            return httpx.Response(200, content=content)
        start = int(asked.removeprefix("bytes=").removesuffix("-"))
        return httpx.Response(
            206, content=content[start:], headers={"content-range": f"bytes {start}-/*"}
        )

    server.get(f"{WEB}/{NAMES.model}").mock(side_effect=answer)
    fetch(tmp_path)
    assert contents(tmp_path) == CONTENTS


def test_a_broken_transfer_goes_on_where_it_stopped(server, tmp_path):
    content = CONTENTS[NAMES.model]

    def cut():
        yield content[:50]
        raise httpx.ReadError("reset")

    answers = [
        httpx.Response(200, content=cut()),
        httpx.Response(206, content=content[50:], headers={"content-range": "bytes 50-/*"}),
    ]
    route = server.get(f"{WEB}/{NAMES.model}").mock(side_effect=answers)
    fetch(tmp_path)
    assert route.calls[1].request.headers["range"] == "bytes=50-"
    assert contents(tmp_path) == CONTENTS


def test_an_answer_for_another_range_is_not_appended(server, tmp_path):
    content = CONTENTS[NAMES.model]
    (tmp_path / f"{NAMES.model}.part").write_bytes(content[:100])
    answers = [
        httpx.Response(206, content=content[90:], headers={"content-range": "bytes 90-/*"}),
        httpx.Response(200, content=content),
    ]
    server.get(f"{WEB}/{NAMES.model}").mock(side_effect=answers)
    fetch(tmp_path)
    assert contents(tmp_path) == CONTENTS


def test_bytes_that_are_not_the_listed_ones_never_get_the_name(server, tmp_path):
    server.get(f"{WEB}/{NAMES.model}").respond(content=b"y" * len(CONTENTS[NAMES.model]))
    with pytest.raises(CannotVerify, match="does not arrive with the size and digest"):
        fetch(tmp_path)
    assert not (tmp_path / NAMES.model).exists()


def test_without_a_listed_digest_the_size_is_compared(server, tmp_path):
    server.get(LISTING).respond(json=listing(**{NAMES.model: {"digest": None}}))
    fetch(tmp_path)
    assert contents(tmp_path) == CONTENTS


def test_without_a_listed_digest_nothing_that_lies_there_is_taken_over(server, tmp_path):
    server.get(LISTING).respond(json=listing(**{NAMES.model: {"digest": None}}))
    old = b"o" * len(CONTENTS[NAMES.model])
    for name in (NAMES.model, f"{NAMES.model}.part"):
        (tmp_path / name).write_bytes(old)
    fetch(tmp_path)
    assert contents(tmp_path) == CONTENTS


def test_more_bytes_than_listed_are_refused(server, tmp_path):
    server.get(f"{WEB}/{NAMES.model}").respond(content=CONTENTS[NAMES.model] + b"more")
    with pytest.raises(CannotVerify, match="sent more than"):
        fetch(tmp_path)


@pytest.mark.parametrize("size", [-1, 60 * 1024 * 1024])
def test_a_listed_size_beyond_the_limit_is_refused_before_the_download(server, tmp_path, size):
    server.get(LISTING).respond(json=listing(**{NAMES.model: {"size": size}}))
    with pytest.raises(CannotVerify, match="at most 52428800 are accepted"):
        fetch(tmp_path)


def test_a_web_page_in_place_of_the_file_is_refused(server, tmp_path):
    server.get(f"{WEB}/{NAMES.model}").respond(html="<html>login</html>")
    with pytest.raises(CannotVerify, match="a web page instead of the file"):
        fetch(tmp_path)


def test_a_compressed_answer_is_refused(server, tmp_path):
    server.get(f"{WEB}/{NAMES.model}").respond(content=b"x", headers={"content-encoding": "gzip"})
    with pytest.raises(CannotVerify, match="compressed its answer"):
        fetch(tmp_path)


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        (httpx.Response(404), CannotVerify, "no published release o/r@v1"),
        (httpx.Response(401), CannotVerify, "answered 401"),
        (httpx.Response(403), CannotVerify, "answered 403"),
        (httpx.Response(410), CannotVerify, "answered 410"),
        (httpx.Response(403, headers={"x-ratelimit-remaining": "0"}), TryAgain, "answered 403"),
        (httpx.Response(429, headers={"retry-after": "30"}), TryAgain, "answered 429"),
        (httpx.Response(500), TryAgain, "answered 500"),
        (httpx.Response(503, html="<html>"), TryAgain, "answered 503"),
        (httpx.Response(200, content=b"{"), CannotVerify, "not valid JSON"),
        (httpx.Response(200, content=b"[]"), CannotVerify, "not a JSON object"),
        (httpx.Response(200, html="<html>"), CannotVerify, "a web page"),
        (httpx.Response(200, json={}), CannotVerify, "lists no assets"),
        (httpx.Response(200, json={"assets": [1]}), CannotVerify, "without a name"),
        (httpx.Response(200, json={"assets": []}), CannotVerify, "has no file"),
        (
            httpx.Response(200, json={"assets": listing()["assets"] * 2}),
            CannotVerify,
            "lists a file twice",
        ),
        (
            httpx.Response(200, json=listing(**{NAMES.model: {"digest": "md5:1"}})),
            CannotVerify,
            "digest of",
        ),
        (httpx.ConnectError("refused"), TryAgain, "the transfer from api.test failed: refused"),
        (httpx.ReadTimeout(""), TryAgain, "failed: ReadTimeout"),
    ],
)
def test_each_failure_says_whether_to_try_again(server, tmp_path, answer, kind, reason):
    server.get(LISTING).mock(side_effect=[answer])
    with pytest.raises(kind, match=reason):
        fetch(tmp_path)


def test_a_network_that_keeps_failing_is_given_up(server, tmp_path):
    route = server.get(f"{WEB}/{NAMES.bundle}").mock(side_effect=httpx.ReadError("reset"))
    with pytest.raises(TryAgain, match="reset"):
        fetch(tmp_path)
    assert route.call_count == 4


def test_a_server_that_is_too_slow_is_given_up(server, tmp_path, monkeypatch):
    monkeypatch.setattr("release_tool.github.transfer.DEADLINE_SECONDS", -1.0)
    with pytest.raises(TryAgain, match="takes too long"):
        fetch(tmp_path)


@pytest.mark.parametrize(
    "location", ["http://web.test/x", "ftp://web.test/x", "file:///etc/passwd"]
)
def test_redirects_to_where_anybody_could_answer_are_refused(server, tmp_path, location):
    server.get(f"{WEB}/{NAMES.bundle}").respond(302, headers={"location": location})
    with pytest.raises(CannotVerify, match="not an https address"):
        fetch(tmp_path)


def test_redirects_without_end_are_refused(server, tmp_path):
    server.get(LISTING).respond(302, headers={"location": LISTING})
    with pytest.raises(CannotVerify, match="more than 5 times"):
        fetch(tmp_path)


def test_an_address_that_is_none_is_refused(server, tmp_path):
    with pytest.raises(CannotVerify, match="not an https address"):
        fetch(tmp_path, api="http://api.test")
    server.get(LISTING).respond(
        json=listing(**{NAMES.bundle: {"browser_download_url": "https://[::bad"}})
    )
    with pytest.raises(CannotVerify, match="not an address"):
        fetch(tmp_path)


def test_the_bundle_alone_is_fetched_from_a_release(server):
    with httpx.Client() as client:
        bundle = fetch_release_bundle(
            make_read_api(client, API, None), REPO, TAG, NAMES.bundle, 10**6
        )
        assert bundle == CONTENTS[NAMES.bundle]
        with pytest.raises(CannotVerify, match="has no file other"):
            fetch_release_bundle(make_read_api(client, API, None), REPO, TAG, "other", 10**6)
        server.get(f"{WEB}/{NAMES.bundle}").respond(content=b"other")
        with pytest.raises(CannotVerify, match=r"digest of .*: expected sha256:"):
            fetch_release_bundle(make_read_api(client, API, None), REPO, TAG, NAMES.bundle, 10**6)


def test_attestations_are_fetched_by_digest(server):
    url = f"{API}/repos/o/r/attestations/{DIGEST}"
    answer = {"attestations": [{"bundle": {"a": 1}}, {"bundle": None}, 7, {"bundle": {"b": 2}}]}
    server.get(url).respond(json=answer)
    with httpx.Client() as client:
        first, second = fetch_attestations(make_read_api(client, API, None), REPO, DIGEST)
        assert (json.loads(first), json.loads(second)) == ({"a": 1}, {"b": 2})


def page(number: int, following: str | None) -> httpx.Response:
    headers = {"link": f'<{following}>; rel="next"'} if following else {}
    return httpx.Response(
        200, json={"attestations": [{"bundle": {"page": number}}]}, headers=headers
    )


def test_attestations_are_followed_from_page_to_page_but_not_for_ever(server):
    first = f"{API}/repos/o/r/attestations/{DIGEST}"
    route = server.get(url__startswith=first)
    with httpx.Client() as client:
        route.mock(side_effect=[page(1, f"{first}?after=x"), page(2, None)])
        bundles = fetch_attestations(make_read_api(client, API, None), REPO, DIGEST)
        assert [json.loads(bundle)["page"] for bundle in bundles] == [1, 2]
        route.mock(side_effect=lambda _: page(3, f"{first}?after=y"))
        # What is not heard may say no, so a part of the list is not taken for all of it.
        with pytest.raises(CannotVerify, match="has more attestations of"):
            fetch_attestations(make_read_api(client, API, None), REPO, DIGEST)
        assert route.call_count == 12


@pytest.mark.parametrize(
    "following", ["https://evil.test/x", "http://api.test/x", "https://a:b@api.test/x"]
)
def test_the_next_page_is_not_fetched_from_another_host(server, following):
    first = f"{API}/repos/o/r/attestations/{DIGEST}"
    server.get(url__startswith=first).mock(return_value=page(1, following))
    with httpx.Client() as client, pytest.raises(CannotVerify, match="on another host"):
        fetch_attestations(make_read_api(client, API, "secret"), REPO, DIGEST)
    assert {call.request.url.host for call in server.calls} == {"api.test"}


def test_attestations_without_their_bundles_are_said_to_be_so(server):
    url = f"{API}/repos/o/r/attestations/{DIGEST}"
    server.get(url).respond(json={"attestations": [{"bundle": None}, {"bundle": None}]})
    with (
        httpx.Client() as client,
        pytest.raises(CannotVerify, match=r"has 2 attestations of .*, and none with its bundle"),
    ):
        fetch_attestations(make_read_api(client, API, None), REPO, DIGEST)


@pytest.mark.parametrize(
    ("answer", "kind", "reason"),
    [
        (httpx.Response(404), CannotVerify, "no attestation of sha256"),
        (httpx.Response(200, json={"attestations": []}), CannotVerify, "no attestation"),
        (httpx.Response(200, json={"attestations": None}), CannotVerify, "no attestation"),
        (httpx.Response(403), CannotVerify, "answered 403"),
        (httpx.Response(502), TryAgain, "answered 502"),
    ],
)
def test_missing_attestations_are_said_to_be_missing(server, answer, kind, reason):
    server.get(f"{API}/repos/o/r/attestations/{DIGEST}").mock(return_value=answer)
    with httpx.Client() as client, pytest.raises(kind, match=reason):
        fetch_attestations(make_read_api(client, API, None), REPO, DIGEST)


def test_a_release_is_fetched_over_real_sockets_and_redirects(tmp_path):
    with start_github(repo="o/r", commits={"main": "a" * 40}) as github, httpx.Client() as client:
        client.headers["Authorization"] = f"Bearer {github.token}"
        repo = f"{github.api}/repos/o/r"
        draft = (
            client.post(
                f"{repo}/releases",
                json={"tag_name": "v1", "target_commitish": "main", "draft": True},
            )
            .raise_for_status()
            .json()
        )
        upload = draft["upload_url"].partition("{")[0]
        for name, content in CONTENTS.items():
            client.post(
                upload,
                params={"name": name},
                content=content,
                headers={"Content-Type": "application/octet-stream"},
            ).raise_for_status()
        client.patch(
            f"{repo}/releases/{draft['id']}",
            json={"tag_name": "v1", "target_commitish": "main", "draft": False},
        ).raise_for_status()
        for token in (None, github.token):
            place = tmp_path / str(token is None)
            with httpx.Client() as plain:
                fetch_release(
                    make_read_api(plain, github.api, token),
                    REPO,
                    TAG,
                    LIMITS,
                    place,
                    optional={NAMES.notice},
                )
            assert contents(place) == CONTENTS


SAML = {"message": "Resource protected by organization SAML enforcement."}


def refuse_tokens(server, status=403, **public):
    """Answer with a refusal to any token, and to none with what is public."""

    def answer(request):
        if "authorization" in request.headers:
            return httpx.Response(status, json=SAML)
        return httpx.Response(**{"status_code": 200, "json": listing(), **public})

    server.get(LISTING).mock(side_effect=answer)


def test_after_a_refused_token_files_come_from_the_address_that_needs_none(server, tmp_path):
    refuse_tokens(server)
    told = Told()
    with httpx.Client() as client:
        api = make_read_api(client, API, "secret", told)
        fetch_release(
            api,
            REPO,
            TAG,
            LIMITS,
            tmp_path,
            optional={NAMES.notice},
        )
    assert contents(tmp_path) == CONTENTS
    (note,) = told.notes
    assert note == f"api.test answered 403 to the token: {SAML['message']}; asking again without it"
    assert sum("authorization" in call.request.headers for call in server.calls) == 1


def test_a_rate_limit_without_the_refused_token_is_worth_another_try(server, tmp_path):
    refuse_tokens(server, 401, status_code=403, headers={"retry-after": "60"})
    with pytest.raises(TryAgain) as caught:
        fetch(tmp_path, token="secret")
    assert caught.value.hint == "wait 60 s"


def test_a_wait_may_be_given_as_a_date_and_who_has_no_token_learns_of_its_limit(server, tmp_path):
    date, after = "Wed, 01 Jul 2026 10:00:00 GMT", "Wed, 01 Jul 2026 10:02:00 GMT"
    server.get(LISTING).respond(429, headers={"retry-after": after, "date": date})
    with pytest.raises(TryAgain) as caught:
        fetch(tmp_path)
    assert caught.value.hint == "wait 121 s; a token in GH_TOKEN has a higher limit"


def test_a_host_that_never_saw_the_token_is_not_asked_twice(server, tmp_path):
    for name in NEEDED:
        server.get(f"{API}/assets/{name}").respond(302, headers={"location": f"{STORE}/{name}"})
        server.get(f"{STORE}/{name}").respond(403, json={"message": "expired link"})
    with pytest.raises(CannotVerify, match=r"store\.test answered 403: expired link") as caught:
        fetch(tmp_path, token="secret")
    assert caught.value.hint is None
    assert len(server.calls) == 3
