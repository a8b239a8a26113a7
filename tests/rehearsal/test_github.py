"""The GitHub stand-in, asked as GitHub's own description has it, and as people get it wrong."""

import base64
import contextlib
import json
import runpy
import socket
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from release_tool.core.errors import UsageError
from release_tool.rehearsal.exchange import Disconnect
from release_tool.rehearsal.github.standin import CallKind, Fault, FaultKind
from tests.standins.github import start_whole_github

CHECKER = Path(__file__).parent.parent / "openapi" / "checker.py"
CHECKING = SimpleNamespace(**runpy.run_path(str(CHECKER)))

REPO = "/repos/rehearsal/u2netp-mirror"
BYTES = {"Content-Type": "application/octet-stream"}


@pytest.fixture(scope="module")
def checker():
    return CHECKING.Checker()


class Asker:
    """A stand-in with a client that pushes and one that is nobody; all exchanges are validated."""

    def __init__(self, stand_in, stack):
        self.stand_in = stand_in
        self.recorder = CHECKING.Recorder()
        self.client = stack.enter_context(
            httpx.Client(
                base_url=stand_in.api,
                transport=self.recorder,
                headers={"Authorization": f"Bearer {stand_in.token}"},
            )
        )
        self.nobody = stack.enter_context(
            httpx.Client(base_url=stand_in.api, transport=CHECKING.Recorder())
        )

    def make(self, tag="v1", **fields):
        answer = self.client.post(
            f"{REPO}/releases", json={"tag_name": tag, "draft": True} | fields
        )
        return answer.json() if answer.status_code == 201 else answer

    def upload(self, release, name="a.txt", content=b"abc"):
        url = release["upload_url"].partition("{")[0]
        return self.client.post(url, params={"name": name}, content=content, headers=BYTES)

    def publish(self, release, **fields):
        document = {"tag_name": release["tag_name"], "target_commitish": "main", "draft": False}
        return self.client.patch(release["url"], json=document | fields)


@pytest.fixture
def ask(checker):
    with contextlib.ExitStack() as stack:
        askers = []

        def start(**options):
            askers.append(Asker(stack.enter_context(start_whole_github(**options)), stack))
            return askers[-1]

        yield start
        for asker in askers:
            for request, body, response in asker.recorder.exchanges:
                checker.check(request, body, response)


def codes(answer):
    return [error["code"] for error in answer.json()["errors"]]


def test_a_release_from_draft_to_download(ask):
    github = ask()
    draft = github.make()
    assert draft["draft"]
    assert github.upload(draft).json()["state"] == "uploaded"
    published = github.publish(draft).json()
    assert not published["draft"]
    (asset,) = published["assets"]
    assert github.nobody.get(f"{REPO}/releases/latest").json()["id"] == draft["id"]
    assert github.nobody.get(f"{REPO}/releases/tags/v1").json()["id"] == draft["id"]
    ref = github.nobody.get(f"{REPO}/git/ref/tags/v1").json()
    commit = github.client.get(f"{REPO}/commits/main").json()
    assert ref["object"]["sha"] == commit["sha"]
    found = github.nobody.get(asset["browser_download_url"], follow_redirects=True)
    assert found.content == b"abc"
    assert found.url.port != github.client.base_url.port
    described = github.client.get(asset["url"]).json()
    assert described["download_count"] == 1
    assert described["digest"].startswith("sha256:")


def test_a_draft_is_hidden_from_those_who_may_not_push(ask):
    github = ask()
    draft = github.make()
    asset = github.upload(draft).json()
    assert github.nobody.get(f"{REPO}/releases").json() == []
    for url in (draft["url"], draft["assets_url"], asset["url"]):
        assert github.nobody.get(url).status_code == 404
    assert github.client.get(f"{REPO}/releases/tags/v1").status_code == 404
    assert github.nobody.get(asset["browser_download_url"]).status_code == 404
    assert [item["id"] for item in github.client.get(f"{REPO}/releases").json()] == [draft["id"]]


def test_two_drafts_may_have_one_tag_but_only_one_can_be_published(ask):
    github = ask()
    first, second = github.make(), github.make()
    assert github.publish(first).status_code == 200
    assert codes(github.publish(second)) == ["already_exists"]
    assert codes(github.make(draft=False)) == ["already_exists"]


def test_a_release_can_be_made_without_a_draft(ask):
    github = ask()
    made = github.make(draft=False, make_latest="false", name="n", body="b", prerelease=True)
    assert not made["draft"]
    assert github.client.get(f"{REPO}/releases/latest").status_code == 404


def test_a_change_that_does_not_repeat_the_tag_loses_it(ask):
    github = ask()
    draft = github.make(target_commitish="main")
    changed = github.client.patch(draft["url"], json={"name": "new"}).json()
    assert changed["tag_name"].startswith("untagged-")
    lost = github.client.patch(draft["url"], json={"draft": False})
    assert lost.status_code == 422


def test_a_published_release_keeps_its_tag_and_stays_published(ask):
    github = ask()
    draft = github.make()
    github.publish(draft)
    assert github.client.patch(draft["url"], json={"body": "new"}).json()["tag_name"] == "v1"
    for wrong in ({"tag_name": "v2"}, {"draft": True}):
        assert github.client.patch(draft["url"], json=wrong).status_code == 422


def test_an_immutable_release_is_frozen_and_burns_its_tag(ask):
    github = ask(immutable=True)
    assert github.client.get(f"{REPO}/immutable-releases").json()["enabled"]
    draft = github.make()
    asset = github.upload(draft).json()
    assert github.publish(draft).json()["immutable"]
    assert github.upload(draft, "b.txt").status_code == 422
    assert github.client.delete(asset["url"]).status_code == 422
    assert github.client.delete(draft["url"]).status_code == 204
    again = github.publish(github.make())
    assert "used by an immutable release" in again.text
    assert not github.client.get(f"{REPO}/releases/tags/v1").is_success


def test_the_immutable_setting_is_404_where_it_is_off(ask):
    assert ask().client.get(f"{REPO}/immutable-releases").status_code == 404


@pytest.mark.parametrize("tag", ["", "two words", "-dash", "a..b", "x~1", 5])
def test_a_tag_that_git_would_refuse_is_refused(ask, tag):
    github = ask()
    answer = github.client.post(f"{REPO}/releases", content=json.dumps({"tag_name": tag}))
    assert answer.status_code == 422
    github.recorder.exchanges.clear()  # a number is no tag in the description either


def test_a_target_that_is_not_there_cannot_be_published(ask):
    github = ask()
    assert codes(github.publish(github.make(), target_commitish="nowhere")) == ["invalid"]


def test_names_are_changed_and_kept_unique(ask):
    github = ask()
    draft = github.make()
    assert github.upload(draft, "a b!c.txt").json()["name"] == "a.b.c.txt"
    assert github.upload(draft, ".hidden").json()["name"] == "default.hidden"
    assert codes(github.upload(draft, "a.b.c.txt")) == ["already_exists"]
    assert codes(github.upload(draft, "")) == ["missing_field"]
    github.recorder.exchanges.pop()  # the description does not allow an empty name either
    assert github.upload(draft, "empty", b"").status_code == 400


def test_an_upload_that_breaks_off_leaves_a_zombie_that_blocks_the_name(ask):
    github = ask()
    draft = github.make()
    path = f"{REPO}/releases/{draft['id']}/assets?name=a.txt"
    host, port = github.client.base_url.host, github.client.base_url.port
    with socket.create_connection((host, port)) as peer:
        head = (
            f"POST {path} HTTP/1.1\r\nHost: x\r\nUser-Agent: test\r\nContent-Length: 100\r\n"
            f"Authorization: token {github.stand_in.token}\r\n\r\n"
        )
        peer.sendall(head.encode() + b"abc")
        peer.shutdown(socket.SHUT_WR)
        while peer.recv(1000):
            pass
    (asset,) = github.client.get(draft["assets_url"]).json()
    assert asset["state"] == "starter"
    assert codes(github.upload(draft)) == ["already_exists"]
    assert github.client.get(asset["url"], headers={"Accept": "application/octet-stream"}).is_error
    assert github.client.delete(asset["url"]).status_code == 204
    assert github.upload(draft).status_code == 201


def test_an_upload_to_a_draft_that_goes_meanwhile_is_not_found(ask):
    def remove(moment, entry):
        if moment == "halfway":
            github.stand_in.state.releases.clear()

    github = ask(watch=remove)
    assert github.upload(github.make()).status_code == 404
    assert not list(github.stand_in.state.directory.iterdir())


def test_lists_come_in_pages_with_links(ask):
    github = ask()
    made = [github.make(f"v{number}")["id"] for number in range(5)]
    url, seen = f"{REPO}/releases?per_page=2", []
    while url:
        answer = github.client.get(url)
        seen += [item["id"] for item in answer.json()]
        url = answer.links.get("next", {}).get("url")
    assert seen == made[::-1]
    assert answer.headers.get("link") is None
    assert len(github.nobody.get(f"{REPO}/releases?per_page=x&page=y").json()) == 0


def test_a_new_draft_lags_behind_in_the_list(ask):
    github = ask(list_lag=2)
    draft = github.make()
    lengths = [len(github.client.get(f"{REPO}/releases").json()) for _ in range(3)]
    assert lengths == [0, 0, 1]
    assert github.client.get(draft["url"]).is_success


def test_a_download_goes_on_where_it_broke_off(ask):
    github = ask()
    draft = github.make()
    github.upload(draft, content=b"0123456789")
    url = github.publish(draft).json()["assets"][0]["browser_download_url"]
    rest = github.nobody.get(url, headers={"Range": "bytes=4-"}, follow_redirects=True)
    assert (rest.status_code, rest.content) == (206, b"456789")
    assert rest.headers["content-range"] == "bytes 4-9/10"
    for wrong in ("bytes=10-", "bytes=0-", "bytes=2-3", "lines=1-"):
        whole = github.nobody.get(url, headers={"Range": wrong}, follow_redirects=True)
        assert (whole.status_code, whole.content) == (200, b"0123456789")


def test_the_other_origin_refuses_tokens_and_strangers(ask):
    github = ask()
    draft = github.make()
    asset = github.upload(draft).json()
    answer = github.client.get(asset["url"], headers={"Accept": "application/octet-stream"})
    place = answer.headers["location"]
    assert place.startswith(github.stand_in.content_url)
    assert github.client.get(place).status_code == 400
    assert github.nobody.get(place).content == b"abc"
    assert github.nobody.get(place.partition("?")[0]).status_code == 403
    next(github.stand_in.state.directory.iterdir()).unlink()
    assert github.nobody.get(place).status_code == 404


def test_downloads_of_what_is_not_there_are_not_found(ask):
    github = ask()
    github.publish(github.make())
    for path in ("v1/none.txt", "v2/a.txt"):
        url = f"/rehearsal/u2netp-mirror/releases/download/{path}"
        assert github.nobody.get(url).status_code == 404


def test_a_wrong_token_or_none_may_not_write(ask):
    github = ask()
    draft = github.make()
    wrong = {"Authorization": "Bearer wrong"}
    assert github.client.get(f"{REPO}/releases", headers=wrong).status_code == 401
    assert github.nobody.post(f"{REPO}/releases", json={"tag_name": "v1"}).status_code == 401
    assert github.nobody.delete(draft["url"]).status_code == 401


def test_a_token_without_push_may_not_write(ask):
    github = ask(push=False)
    assert not github.client.get(REPO).json()["permissions"]["push"]
    assert github.make().status_code == 404


def test_an_archived_repository_takes_nothing(ask):
    github = ask()
    github.stand_in.state.archived = True
    assert github.client.get(REPO).json()["archived"]
    assert github.make().status_code == 403


def test_other_repositories_are_not_there_and_old_names_lead_on(ask):
    github = ask()
    github.stand_in.state.old_names.add("rehearsal/old")
    assert github.client.get("/repos/rehearsal/none").status_code == 404
    moved = github.client.get("/repos/rehearsal/old")
    assert moved.status_code == 301
    assert github.client.get(moved.headers["location"]).json()["name"] == "u2netp-mirror"
    assert github.client.get("/repos/Rehearsal/U2NetP-Mirror").is_success


def test_requests_that_github_would_refuse_are_refused(ask):
    github = ask()
    assert github.client.get(REPO, headers={"User-Agent": ""}).status_code == 403
    assert github.client.get(REPO, headers={"X-GitHub-Api-Version": "1999-01-01"}).is_error
    assert github.client.get(f"{REPO}/releases/{'9' * 30}").status_code == 404
    assert github.client.get(f"{REPO}/releases/x").status_code == 404
    assert github.client.get(f"{REPO}/releases/5").status_code == 404
    assert github.client.get(f"{REPO}/git/ref/tags/v9").status_code == 404
    assert github.client.get(f"{REPO}/commits/nowhere").status_code == 422
    assert github.client.post(f"{REPO}/releases", content=b"{").status_code == 400
    github.recorder.exchanges.clear()  # these requests depart from the description on purpose


def test_branches_tags_and_commits_are_found(ask):
    github = ask(commits={"topic": "ab" * 20})
    github.publish(github.make())
    for ref in ("topic", "heads/topic", "ab" * 20):
        assert github.client.get(f"{REPO}/commits/{ref}").json()["sha"] == "ab" * 20
    assert github.client.get(f"{REPO}/commits/tags/v1").is_success


def test_attestations_are_found_by_digest(ask):
    github = ask()
    digest = "ab" * 32
    subjects = [{"name": "a", "digest": {"sha256": digest}}]
    statement = json.dumps({"subject": subjects, "predicateType": "p"})
    payload = base64.b64encode(statement.encode()).decode()
    bundle = {"mediaType": "m", "dsseEnvelope": {"payload": payload}, "verificationMaterial": {}}
    stored = github.client.post(f"{REPO}/attestations", json={"bundle": bundle})
    assert stored.status_code == 201
    found = github.nobody.get(f"{REPO}/attestations/sha256:{digest}").json()
    assert [item["bundle"] for item in found["attestations"]] == [bundle]
    url = f"{REPO}/attestations/sha256:{digest}"
    for predicate, count in (("p", 1), ("provenance", 0), ("other", 0)):
        answer = github.nobody.get(url, params={"predicate_type": predicate}).json()
        assert len(answer["attestations"]) == count
    none = github.nobody.get(f"{REPO}/attestations/sha256:{'cd' * 32}").json()
    assert none == {"attestations": []}
    for wrong in (
        {},
        {"dsseEnvelope": {"payload": "!"}},
        {"dsseEnvelope": {"payload": payload[4:]}},
    ):
        refused = github.client.post(f"{REPO}/attestations", json={"bundle": wrong})
        assert refused.status_code == 422


# Failing on cue.


def test_a_fault_is_written_as_call_fault_nth_times():
    assert Fault.parse("upload:reset") == Fault(CallKind.UPLOAD, FaultKind.RESET, 1, 1)
    assert Fault.parse("publish:lost:2:3") == Fault(CallKind.PUBLISH, FaultKind.LOST, 2, 3)


@pytest.mark.parametrize(
    "text",
    ["", "upload", "upload:none", "none:reset", "upload:reset:x", "upload:reset:0",
     "upload:reset:1:0", "upload:reset:1:1:1", "publish:zombie"],
)  # fmt: skip
def test_a_fault_that_is_none_is_refused(text):
    with pytest.raises(UsageError):
        Fault.parse(text)


def test_a_fault_strikes_the_call_that_it_is_for_and_is_named_in_the_answer(ask):
    github = ask(faults=[Fault.parse("releases:500:2:2")])
    answers = [github.client.get(f"{REPO}/releases") for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 500, 500, 200]
    assert [answer.headers.get("x-rehearsal-fault") for answer in answers] == [
        None, "500", "500", None,
    ]  # fmt: skip
    assert [entry.kind for entry in github.stand_in.requests] == ["releases"] * 4


def test_a_truncated_download_is_shorter_than_it_says(ask):
    github = ask(faults=[Fault.parse("content:truncated")])
    draft = github.make()
    github.upload(draft, content=b"x" * 500)
    url = github.publish(draft).json()["assets"][0]["browser_download_url"]
    with pytest.raises(httpx.RemoteProtocolError, match="complete message body"):
        github.nobody.get(url, follow_redirects=True)


def test_a_download_can_be_an_html_page_with_status_200(ask):
    github = ask(faults=[Fault.parse("content:html")])
    draft = github.make()
    github.upload(draft)
    url = github.publish(draft).json()["assets"][0]["browser_download_url"]
    page = github.nobody.get(url, follow_redirects=True)
    assert (page.status_code, page.headers["content-type"]) == (200, "text/html")


def test_the_watcher_sees_every_moment_and_may_break_the_connection(ask):
    seen = []

    def watch(moment, entry):
        seen.append((moment, str(entry.kind)))
        if (moment, entry.kind) == ("performed", "upload"):
            raise Disconnect

    github = ask(watch=watch)
    with pytest.raises(httpx.TransportError):
        github.upload(github.make())
    assert seen == [
        ("received", "make-draft"),
        ("performed", "make-draft"),
        ("received", "upload"),
        ("halfway", "upload"),
        ("performed", "upload"),
    ]


def test_assets_are_files_in_the_directory_that_was_given(ask, tmp_path):
    github = ask(directory=tmp_path)
    draft = github.make()
    asset = github.upload(draft).json()
    assert (tmp_path / str(asset["id"])).read_bytes() == b"abc"
    github.client.delete(draft["url"])
    assert not list(tmp_path.iterdir())


def test_a_token_is_made_up_unless_one_is_given():
    with start_whole_github() as first, start_whole_github() as second:
        assert first.token != second.token
    with start_whole_github(token="given") as third:
        assert third.token == "given"
