"""Trusted roots come from the installed package, a file, or TUF; nothing else is believed."""

from pathlib import Path

import pytest
from click.testing import CliRunner
from sigstore.models import ClientTrustConfig

from release_tool.cli.main import cli
from release_tool.cli.state import State
from release_tool.core.documents import encode_json, parse_json_object
from release_tool.core.errors import InputError, TryAgain
from release_tool.sigstore.check.root import parse_roots
from release_tool.sigstore.trust import instance
from release_tool.sigstore.trust.instance import (
    SIGNING_CONFIG,
    TRUST_CONFIG_TYPE,
    TRUSTED_ROOT,
    TRUSTED_ROOT_TYPE,
    TUF_REPOSITORIES,
    open_instance,
    open_trusted_root,
)

ROOT = {"mediaType": TRUSTED_ROOT_TYPE, "tlogs": []}
CONFIG = {"mediaType": TRUST_CONFIG_TYPE, "trustedRoot": ROOT, "signingConfig": {}}


@pytest.mark.parametrize("name", ["production", "staging"])
def test_offline_the_installed_root_is_used_and_its_source_is_told(name: str):
    root = open_trusted_root(name, offline=True)
    document = parse_json_object(root.content, "root")
    assert document["mediaType"] == TRUSTED_ROOT_TYPE
    assert document["certificateAuthorities"]
    assert root.source == f"{name}, as installed"


def test_a_file_is_a_trusted_root_or_a_client_trust_config(tmp_path: Path):
    for name, document in (("root.json", ROOT), ("config.json", CONFIG)):
        path = tmp_path / name
        path.write_bytes(encode_json(document))
        root = open_trusted_root(path, offline=False)
        assert parse_json_object(root.content, "root") == ROOT
        assert root.source == str(path)


def test_a_signing_instance_keeps_the_bytes_of_its_file(tmp_path: Path):
    path = tmp_path / "config.json"
    path.write_bytes(encode_json(CONFIG))
    opened = open_instance(str(path))
    assert opened.trust_config == encode_json(CONFIG)
    assert parse_json_object(opened.trusted_root.content, "root") == ROOT


@pytest.mark.parametrize(
    "document", [{}, {"mediaType": "x"}, {"mediaType": TRUST_CONFIG_TYPE, "trustedRoot": 3}]
)
def test_a_file_that_is_no_trusted_root_is_refused(tmp_path: Path, document: dict[str, object]):
    path = tmp_path / "root.json"
    path.write_bytes(encode_json(document))
    for opener in (lambda: open_trusted_root(path, offline=True), lambda: open_instance(str(path))):
        with pytest.raises(InputError, match="neither a Sigstore trusted root"):
            opener()


def test_a_missing_file_is_refused(tmp_path: Path):
    with pytest.raises(InputError, match="cannot read"):
        open_trusted_root(tmp_path / "none.json", offline=True)


@pytest.fixture
def tuf(published, monkeypatch: pytest.MonkeyPatch):
    """Let the loopback repository be Sigstore's production, with the root that is installed."""
    carried = {"root.json": published.root, TRUSTED_ROOT: b"old", SIGNING_CONFIG: b"old"}
    monkeypatch.setitem(TUF_REPOSITORIES, "production", published.url)
    monkeypatch.setattr(instance, "installed", lambda _name, document: carried[document])
    return published


def test_what_tuf_answers_becomes_a_root_and_an_instance(tuf, sigstore_trust_config: bytes):
    config = parse_json_object(sigstore_trust_config, "config")
    tuf.targets[TRUSTED_ROOT] = encode_json(config["trustedRoot"])
    tuf.targets[SIGNING_CONFIG] = encode_json(config["signingConfig"])
    tuf.publish()
    root = open_trusted_root("production", offline=False)
    assert (root.content, root.source) == (tuf.targets[TRUSTED_ROOT], "production, by TUF")
    opened = open_instance("production")
    assert opened.trusted_root.source == "production"
    assert ClientTrustConfig.from_json(opened.trust_config.decode()).signing_config.get_tsas()


def test_a_signed_target_that_is_no_trusted_root_is_refused(tuf):
    tuf.targets = {TRUSTED_ROOT: b"[]", SIGNING_CONFIG: b"{}"}
    tuf.publish()
    for opener in (
        lambda: open_trusted_root("production", offline=False),
        lambda: open_instance("production"),
    ):
        with pytest.raises(InputError, match="not a JSON object"):
            opener()


def test_where_tuf_fails_the_advice_is_to_go_offline(tuf, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(TUF_REPOSITORIES, "production", "http://127.0.0.1:1")
    for opener in (
        lambda: open_trusted_root("production", offline=False),
        lambda: open_instance("production"),
    ):
        with pytest.raises(TryAgain, match="cannot refresh the trusted root") as caught:
            opener()
        assert "--offline" in str(caught.value.hint)


def test_offline_no_cache_is_read_or_made(home: Path, monkeypatch: pytest.MonkeyPatch):
    assert open_trusted_root("production", offline=True).source == "production, as installed"
    assert list(home.iterdir()) == []
    monkeypatch.setenv("HOME", "/dev/null")
    assert open_trusted_root("production", offline=True).content


def test_the_current_root_is_printed_as_one_line_that_verifies(
    tuf, sigstore_trust_config: bytes, tmp_path: Path
):
    config = parse_json_object(sigstore_trust_config, "config")
    tuf.targets[TRUSTED_ROOT] = encode_json(config["trustedRoot"])
    tuf.publish()
    printed = CliRunner().invoke(cli, ["trusted-root"], obj=State())
    assert printed.exit_code == 0, printed.output
    assert printed.output.count("\n") == 1
    assert parse_json_object(printed.output.encode(), "printed") == config["trustedRoot"]
    place = tmp_path / "root.jsonl"
    place.write_text(printed.output)
    (anchors,) = parse_roots(open_trusted_root(place, offline=True))
    assert anchors.logs
    assert not anchors.installed
