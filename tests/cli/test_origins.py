"""Where evidence comes from: other hosts, tokens, digests, and several models in one call."""

import json
import shutil
from pathlib import Path

import httpx
import pytest
import respx

from release_tool.cli.origins import open_origin
from release_tool.core.digest import Sha256
from release_tool.core.progress import SILENT

API = "https://api.test"
PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY", "SSL_CERT_FILE", "SSL_CERT_DIR")
PROVENANCE = "u2netp_mirror_v1.provenance.sigstore.json"
SPOILT = ["secretword\nsecretrest", "secretwörd", "secretword secretrest"]


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*PROXIES, "GH_TOKEN", "GITHUB_TOKEN"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def server():
    with respx.mock(assert_all_called=False, assert_all_mocked=True) as mock:
        yield mock


@pytest.fixture
def copy(rehearsed, tmp_path: Path) -> Path:
    return Path(shutil.copytree(rehearsed.directory, tmp_path / "copy"))


@pytest.mark.parametrize("name", ["Apache-2.0-u2netp.txt", "u2netp_mirror_v1.manifest.json"])
def test_the_licence_or_the_manifest_is_never_a_model(run, rehearsed, tmp_path: Path, name: str):
    model = tmp_path / "u2netp_mirror_v1.onnx"
    shutil.copy(rehearsed.directory / name, model)
    shutil.copy(rehearsed.directory / PROVENANCE, f"{model}.sigstore.json")
    result = run("verify", model, *rehearsed.believing)
    assert result.code == 8
    assert f"expected the release's model, actual {name}" in result.err
    bundle = ["--bundle", rehearsed.directory / PROVENANCE]
    assert run("verify", str(Sha256.of_file(model)), *bundle, *rehearsed.believing).code == 8
    digest = str(Sha256.of_file(rehearsed.model))
    assert run("verify", digest, *bundle, *rehearsed.believing).code == 0
    result = run("verify", digest, *bundle, *rehearsed.believing, "--recipe", "u2net")
    assert result.code == 8
    assert "u2net_mirror_v1.onnx" in result.err
    assert "--recipe" in result.err


def test_attestations_are_asked_for_by_the_digest_that_is_known_already(server):
    digest = Sha256("ab" * 32)
    route = server.get(f"{API}/repos/o/r/attestations/{digest}")
    route.respond(200, json={"attestations": [{"bundle": {"a": 1}}]})
    with open_origin("o/r", API, lambda _path: (digest, 5), SILENT) as (fetch, _):
        assert len(fetch("/nonexistent/model.onnx", None)) == 1
    assert route.call_count == 1


@pytest.mark.parametrize("token", SPOILT)
def test_a_spoilt_token_is_a_clean_error_and_never_shown(
    run, rehearsed, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, server, token: str
):
    monkeypatch.chdir(tmp_path)  # no release of somebody's may lie in dist/
    monkeypatch.setenv("GH_TOKEN", token)
    for command, code in (
        (["verify", rehearsed.model, "--from", "o/r@v1", *rehearsed.believing], 2),
        (["verify", rehearsed.model, "--from", "o/r", *rehearsed.believing], 2),
        (["fetch", "o/r@v1", "--to", tmp_path / "to", *rehearsed.believing], 2),
        (["abort", "--repo", "o/r"], 6),
        (["doctor", "--repo", "o/r"], 6),
    ):
        result = run(*command, "--github-api", API)
        assert result.code == code, (command, result.err)
        assert "characters that no token has" in result.err
        assert "secret" not in result.out + result.err
        assert "Traceback" not in result.err
    assert not server.calls


@pytest.mark.parametrize(
    "api", ["http://api.test", "https://a:b@api.test", f"{API}/?x=1", "ftp://api.test", "api.test"]
)
def test_a_strange_api_address_is_a_usage_error(run, rehearsed, server, tmp_path: Path, api: str):
    for command in (
        ["verify", rehearsed.model, "--from", "o/r", *rehearsed.believing],
        ["fetch", "o/r@v1", "--to", tmp_path / "to", *rehearsed.believing],
    ):
        result = run(*command, "--github-api", api)
        assert result.code == 2
        assert "not the address of a GitHub API" in result.err
    assert not server.calls


@pytest.mark.parametrize(
    ("name", "value"),
    [("HTTPS_PROXY", "gopher://proxy.test"), ("SSL_CERT_FILE", "/nonexistent/ca.pem")],
)
def test_a_proxy_or_certificates_that_cannot_be_used_are_a_usage_error(
    run, rehearsed, monkeypatch: pytest.MonkeyPatch, name: str, value: str
):
    monkeypatch.setenv(name, value)
    result = run("verify", rehearsed.model, "--from", "o/r", *rehearsed.believing)
    assert result.code == 2
    assert "no HTTP client can be set up" in result.err
    assert "Traceback" not in result.err


def test_what_keeps_one_model_from_a_verdict_keeps_no_other(run, rehearsed):
    digest = str(Sha256.of_file(rehearsed.model))
    result = run("verify", digest, rehearsed.model, *rehearsed.believing, "--json")
    assert result.code == 2
    refused, verified = result.document["verdicts"]
    assert (refused["model"], refused["exit_code"]) == (digest, 2)
    assert (verified["model"], verified["verified"]) == (str(rehearsed.model), True)


def test_a_malformed_digest_is_refused_before_any_work(run, rehearsed, server):
    result = run(
        *("verify", rehearsed.model, "sha256:x", "--from", "o/r", "--github-api", API),
        *rehearsed.believing,
    )
    assert result.code == 2
    assert result.out == ""
    assert not server.calls


@pytest.mark.parametrize(("status", "code"), [(403, 9), (503, 75)])
def test_a_server_that_refuses_every_model_is_told_for_each(
    run, rehearsed, server, status: int, code: int
):
    server.get(url__startswith=API).mock(return_value=httpx.Response(status))
    arguments = [rehearsed.model, rehearsed.model, "--from", "o/r", "--github-api", API]
    result = run("verify", *arguments, *rehearsed.believing, "--json")
    assert result.code == code, result.err
    assert [each["exit_code"] for each in result.document["verdicts"]] == [code, code]
    assert "2 of 2 models are not verified" in result.err


def test_an_interruption_stops_all_models(run, rehearsed, monkeypatch: pytest.MonkeyPatch):
    from release_tool.cli.judge import judging
    from release_tool.core.errors import Interrupted

    def interrupt(*_):
        raise Interrupted("interrupted")

    monkeypatch.setattr(judging, "verify_release", interrupt)
    result = run("verify", rehearsed.model, rehearsed.model, *rehearsed.believing)
    assert (result.code, result.out) == (130, "")


def test_the_table_says_what_is_not_covered(run, rehearsed, copy: Path):
    def rows(*models: Path) -> list[str]:
        lines = run("verify", *models, *rehearsed.believing).out.splitlines()
        return [line for line in lines if line.startswith("not covered")]

    model = copy / rehearsed.model.name
    assert rows(model) == []
    (copy / "u2netp_mirror_v1.manifest.json").unlink()
    assert rows(model)[0].split() == ["not", "covered", "manifest"]
    (copy / PROVENANCE).unlink()
    assert rows(model)[0].split() == ["not", "covered", "provenance,", "manifest"]


def strip_stamps(path: Path) -> None:
    document = json.loads(path.read_bytes())
    document["verificationMaterial"].pop("timestampVerificationData")
    path.write_text(json.dumps(document))


@pytest.fixture(params=["--bundle", "--from", "beside"])
def give(request, run, rehearsed, server, copy: Path):
    """Verify the copied model by a bundle that is named, fetched, or laid where its own belongs."""

    def call(bundle: Path):
        content = bundle.read_bytes()
        options: list[str | Path] = ["--bundle", bundle]
        if request.param == "--from":
            attested = {"attestations": [{"bundle": json.loads(content)}]}
            server.get(url__startswith=f"{API}/repos/o/r/attestations/").respond(json=attested)
            options = ["--from", "o/r", "--github-api", API]
        if request.param == "beside":
            (copy / "u2netp_mirror_v1.onnx.sigstore").write_bytes(content)
            options = []
        (copy / "u2netp_mirror_v1.onnx.sigstore.json").unlink()
        return run("verify", copy / rehearsed.model.name, *rehearsed.believing, *options)

    return call


@pytest.mark.parametrize("name", ["Apache-2.0-u2netp.txt", "u2netp_mirror_v1.manifest.json"])
@pytest.mark.parametrize("kept", [True, False])
def test_a_provenance_given_as_the_models_bundle_is_held_against_the_files_beside_it(
    rehearsed, give, copy: Path, name: str, kept
):
    (copy / name).write_bytes((copy / name).read_bytes() + b"\n")
    if not kept:
        (copy / PROVENANCE).unlink()
    refused = give(rehearsed.directory / PROVENANCE)
    assert refused.code == 8, refused.err
    assert f"digest of {name}" in refused.err


def test_a_provenance_given_as_the_models_bundle_covers_the_files_beside_it(
    rehearsed, give, copy: Path
):
    (copy / PROVENANCE).unlink()
    accepted = give(rehearsed.directory / PROVENANCE)
    assert accepted.code == 0, accepted.err
    assert "covers     model, provenance, manifest, bom, recipe, license\n" in accepted.out


def test_a_stripped_bundle_under_another_name_is_refused_by_the_stripped_provenance(
    give, copy: Path
):
    stripped = copy / "stripped.json"
    shutil.copy(copy / "u2netp_mirror_v1.onnx.sigstore.json", stripped)
    strip_stamps(stripped)
    strip_stamps(copy / PROVENANCE)
    refused = give(stripped)
    assert refused.code == 8, refused.err
    assert "digest of the model's bundle: expected sha256:" in refused.err


def test_a_release_that_was_stripped_throughout_is_refused_where_its_bundle_lies(
    run, rehearsed, copy: Path
):
    for name in ("u2netp_mirror_v1.onnx.sigstore.json", PROVENANCE):
        strip_stamps(copy / name)
    refused = run("verify", copy / rehearsed.model.name, *rehearsed.believing)
    assert refused.code == 8
    assert "digest of u2netp_mirror_v1.onnx.sigstore.json" in refused.err
