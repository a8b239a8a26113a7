"""The GitHub stand-in over TLS, and in GitHub Enterprise's form, which go together in practice."""

import base64
import contextlib
import json
import runpy
import ssl
from pathlib import Path
from types import SimpleNamespace

import httpx
import pytest

from release_tool.core.digest import Sha256
from release_tool.core.names import RepoSlug, Tag
from release_tool.core.progress import SILENT
from release_tool.github.client import open_github
from release_tool.github.download import fetch_attestations, fetch_release_bundle
from release_tool.github.origin import ApiRoot
from release_tool.github.transaction import publish_release
from release_tool.github.transfer import make_read_api
from release_tool.rehearsal.github.standin import Fault
from tests.standins.github import start_whole_github
from tests.standins.tls import make_tls

CHECKER = Path(__file__).parent.parent / "openapi" / "checker.py"
CHECKING = SimpleNamespace(**runpy.run_path(str(CHECKER)))
REPO = RepoSlug("rehearsal", "u2netp-mirror")
TAG = Tag("v1")
DIGEST = Sha256.of_bytes(b"a model")
STATEMENT = json.dumps({"subject": [{"digest": {"sha256": DIGEST.hex}}]}).encode()
BUNDLE = {
    "mediaType": "m",
    "dsseEnvelope": {
        "payload": base64.b64encode(STATEMENT).decode(),
    },
    "verificationMaterial": {"filler": "x" * 300},
}


@pytest.fixture(scope="module")
def tls():
    return make_tls()


@pytest.fixture
def trusting(tls, tmp_path, monkeypatch):
    """Trust the stand-in's authority as a person would, with proxies that lead nowhere."""
    authority = tmp_path / "authority.pem"
    authority.write_text(tls.authority)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority))
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    monkeypatch.delenv("NO_PROXY", raising=False)


@pytest.fixture
def start(tls):
    with contextlib.ExitStack() as stack:
        yield lambda **options: stack.enter_context(start_whole_github(tls=tls, **options))


def publish(stand_in, files):
    with open_github(stand_in.api, stand_in.token, sleep=lambda _: None) as github:
        return publish_release(
            github,
            REPO,
            TAG,
            files,
            target="main",
            title="t",
            body="b",
            manifest_name="m.json",
            progress=SILENT,
        )


@pytest.fixture
def files(tmp_path):
    made = {"m.json": b"{}", "model.onnx": b"model" * 100_000}
    for name, content in made.items():
        (tmp_path / name).write_bytes(content)
    return {name: tmp_path / name for name in made}


def test_only_who_has_the_authority_gets_through(start, tls):
    stand_in = start()
    assert stand_in.api.startswith("https://127.0.0.1:")
    assert stand_in.content_url.startswith("https://localhost:")
    knowing = ssl.create_default_context(cadata=tls.authority)
    with httpx.Client(verify=knowing, trust_env=False) as client:
        assert client.get(f"{stand_in.api}/repos/{REPO}").is_success
        assert client.get(f"{stand_in.content_url}/content/1").status_code == 403
    with (
        httpx.Client(trust_env=False) as client,
        pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"),
    ):
        client.get(stand_in.api)
    with pytest.raises(httpx.TransportError):
        httpx.get(stand_in.api.replace("https", "http"), trust_env=False)
    assert len(stand_in.requests) == 2


def test_a_certificate_is_for_its_names_alone():
    other = make_tls(["api.github.com", "::1"])
    with start_whole_github(tls=other) as stand_in:
        knowing = ssl.create_default_context(cadata=other.authority)
        knowing.verify_flags |= ssl.VERIFY_X509_STRICT
        with httpx.Client(verify=knowing, trust_env=False) as client:
            with pytest.raises(httpx.ConnectError, match="is not valid for"):
                client.get(stand_in.api)
            named = {"sni_hostname": "api.github.com"}
            url = f"{stand_in.api}/repos/{REPO}"
            assert client.get(url, extensions=named).is_success


def test_two_authorities_do_not_trust_each_other(start):
    knowing = ssl.create_default_context(cadata=make_tls().authority)
    with httpx.Client(verify=knowing, trust_env=False) as client:
        for stand_in in (start(), start(enterprise=True)):
            with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
                client.get(stand_in.api)


def test_an_upload_that_breaks_off_does_so_over_tls_too(start, trusting, files):
    stand_in = start(faults=[Fault.parse("upload:reset")])
    assert not publish(stand_in, files).already
    assert stand_in.counts["upload"] == 3


@pytest.mark.parametrize("enterprise", [False, True])
def test_our_own_client_publishes_and_reads_back_over_tls(start, trusting, files, enterprise):
    stand_in = start(enterprise=enterprise)
    published = publish(stand_in, files)
    assert published.url == f"https://127.0.0.1:{port(stand_in)}/{REPO}/releases/tag/v1"
    assert publish(stand_in, files).already
    with ApiRoot.parse(stand_in.api).open_client() as client:
        for token in (None, stand_in.token):
            content = fetch_release_bundle(
                make_read_api(client, stand_in.api, token), REPO, TAG, "m.json", 10**6
            )
            assert content == b"{}"
    elsewhere = [entry for entry in stand_in.requests if entry.origin == "content"]
    assert elsewhere
    assert not any("authorization" in entry.headers for entry in elsewhere)
    uploads = {
        entry.path.partition("/repos")[0] for entry in stand_in.requests if entry.kind == "upload"
    }
    assert uploads == ({"/api/uploads"} if enterprise else {""})


def port(stand_in):
    return httpx.URL(stand_in.api).port


def test_an_enterprise_server_lays_things_out_in_its_own_way(start, tls):
    stand_in = start(enterprise=True)
    origin = stand_in.api.removesuffix("/api/v3")
    recorder = CHECKING.Recorder()
    headers = {"Authorization": f"Bearer {stand_in.token}"}
    with httpx.Client(transport=recorder, headers=headers, base_url=stand_in.api) as client:
        document = {"tag_name": "v1", "draft": True}
        draft = client.post(f"repos/{REPO}/releases", json=document).json()
        upload = f"{origin}/api/uploads/repos/{REPO}/releases/{draft['id']}/assets"
        assert draft["upload_url"] == upload + "{?name,label}"
        assert draft["html_url"].startswith(f"{origin}/{REPO}/releases/")
        assert draft["url"] == f"{stand_in.api}/repos/{REPO}/releases/{draft['id']}"
        octets = {"Content-Type": "application/octet-stream"}
        refused = client.post(f"{draft['assets_url']}?name=a.txt", content=b"abc", headers=octets)
        assert refused.status_code == 405
        asset = client.post(f"{upload}?name=a.txt", content=b"abc", headers=octets).json()
        assert asset["url"].startswith(f"{stand_in.api}/repos/")
        document = {"tag_name": "v1", "target_commitish": "main", "draft": False}
        client.patch(draft["url"], json=document).raise_for_status()
        assert client.get(asset["browser_download_url"]).status_code == 302
        assert client.get(f"{origin}/repos/{REPO}").status_code == 404
        newest = {"X-GitHub-Api-Version": "2026-03-10"}
        assert client.get(f"repos/{REPO}", headers=newest).status_code == 400
        asked = client.post(f"{origin}/api/graphql", json={"query": '{__type(name: "a"){name}}'})
        assert asked.json() == {"data": {"__type": None}}
    checker = CHECKING.Checker()
    for request, body, response in recorder.exchanges:
        if request.url.path.startswith("/api/") and response.status_code not in (400, 405):
            checker.check(request, body, response)
    assert len(checker.seen) == 3


def test_our_own_client_asks_an_enterprise_server_in_a_version_that_it_has(start, trusting):
    for enterprise, version in ((True, "2022-11-28"), (False, "2026-03-10")):
        stand_in = start(enterprise=enterprise)
        with open_github(stand_in.api, stand_in.token) as github:
            assert github.fetch_repository(REPO).push
        assert stand_in.requests[0].headers["x-github-api-version"] == version


def test_attestations_are_read_whatever_version_is_spoken(start, trusting):
    for enterprise in (True, False):
        stand_in = start(enterprise=enterprise)
        with open_github(stand_in.api, stand_in.token) as github:
            github.send_attestation(REPO, BUNDLE)
        with ApiRoot.parse(stand_in.api).open_client() as client:
            (found,) = fetch_attestations(make_read_api(client, stand_in.api, None), REPO, DIGEST)
        assert json.loads(found) == BUNDLE


def test_the_newest_version_names_a_compressed_bundle_and_holds_none(start, tls):
    stand_in = start()
    stand_in.state.store_attestation(BUNDLE)
    knowing = ssl.create_default_context(cadata=tls.authority)
    with httpx.Client(verify=knowing, trust_env=False) as client:
        url = f"{stand_in.api}/repos/{REPO}/attestations/{DIGEST}"
        newest = {"X-GitHub-Api-Version": "2026-03-10"}
        (new,) = client.get(url, headers=newest).json()["attestations"]
        (old,) = client.get(url).json()["attestations"]
        assert "bundle" not in new
        assert old["bundle"] == BUNDLE
        found = client.get(new["bundle_url"])
        assert found.headers["content-type"] == "application/x-snappy"
        assert json.loads(unpack(found.content)) == BUNDLE
        assert client.get(f"{stand_in.content_url}/attestations?key=x").status_code == 403
        token = {"Authorization": f"Bearer {stand_in.token}"}
        assert client.get(new["bundle_url"], headers=token).status_code == 400


def unpack(content):
    """Undo Snappy's block format as far as literals go."""
    size = shift = position = 0
    while True:
        byte = content[position]
        size |= (byte & 0x7F) << shift
        shift, position = shift + 7, position + 1
        if byte < 0x80:
            break
    assert content[position] == 63 << 2
    length = int.from_bytes(content[position + 1 : position + 5], "little") + 1
    assert length == size == len(content) - position - 5
    return content[position + 5 :]
