"""The consumer's command: exit codes, words and documents."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from release_tool.core.digest import Sha256


@pytest.fixture
def release(rehearsed, tmp_path: Path) -> Path:
    """Copy the rehearsed release to where it can be damaged."""
    return Path(shutil.copytree(rehearsed.directory, tmp_path / "release"))


def test_the_printed_command_says_verified_in_another_directory(
    run, rehearsed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    result = run(*rehearsed.verify_command)
    assert result.code == 0
    assert result.out.startswith("verified   u2netp_mirror_v1.onnx\n")
    assert "rehearsal/u2netp-mirror/.github/workflows/release.yml@refs/heads/main" in result.out


def test_every_step_of_the_ladder_is_told_when_asked(run, rehearsed):
    result = run(*rehearsed.verify_command, "--verbose")
    assert [line for line in result.out.splitlines() if line.startswith("step ")][-1].startswith(
        "step 12"
    )


def test_one_changed_byte_of_the_model_exits_8(run, rehearsed, release: Path):
    model = release / rehearsed.model.name
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    result = run("verify", model, *rehearsed.believing)
    assert result.code == 8
    assert "expected sha256:" in result.err
    assert "actual sha256:" in result.err
    assert "Traceback" not in result.err


def test_a_missing_bundle_exits_9(run, rehearsed, release: Path):
    (release / "u2netp_mirror_v1.onnx.sigstore.json").unlink()
    result = run("verify", release / rehearsed.model.name, *rehearsed.believing)
    assert result.code == 9
    assert "there is no bundle" in result.err
    assert "advice:" in result.err


def test_another_identity_exits_8_naming_expected_and_actual(run, rehearsed):
    result = run(
        "verify", rehearsed.model, "--repo", "a/b", "--trusted-root", rehearsed.trusted_root
    )
    assert result.code == 8
    assert "expected https://github.com/a/b/" in result.err
    assert "actual https://github.com/rehearsal/u2netp-mirror/" in result.err


def test_by_default_the_recipes_publisher_is_expected(run, rehearsed):
    result = run("verify", rehearsed.model, "--trusted-root", rehearsed.trusted_root)
    assert result.code == 8
    assert "expected https://github.com/VMAFx/vmafx/" in result.err


def test_the_configured_publisher_comes_before_the_recipes(
    run, rehearsed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    config = Path("release-tool.toml")
    config.write_text(
        f'sigstore = "{rehearsed.trusted_root}"\n'
        '[publisher]\nrepo = "rehearsal/u2netp-mirror"\nrefs = ["refs/heads/main"]\n'
    )
    result = run("verify", rehearsed.model, "--config", config)
    assert result.code == 0, result.err
    assert "release-tool.toml: repository rehearsal/u2netp-mirror" in result.err


def test_a_file_that_merely_lies_here_never_says_which_sigstore_to_believe(
    run, rehearsed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.chdir(tmp_path)
    Path("release-tool.toml").write_text(f'sigstore = "{rehearsed.trusted_root}"\n')
    result = run("verify", rehearsed.model, *rehearsed.believing[:2], "--offline")
    assert result.code == 9


@pytest.mark.parametrize(
    "option", ["--commit", "--ref", "--repo", "--trusted-root", "--bundle", "--sigstore"]
)
def test_an_option_without_its_value_is_refused_and_not_dropped(run, rehearsed, option: str):
    result = run("verify", rehearsed.model, *rehearsed.believing, f"{option}=")
    assert result.code == 2
    assert "is empty" in result.err


def test_an_exact_identity_and_issuer_are_accepted(run, rehearsed):
    identity = (
        "https://github.com/rehearsal/u2netp-mirror/.github/workflows/release.yml@refs/heads/main"
    )
    issuer = "https://token.actions.githubusercontent.com"
    root = ["--trusted-root", rehearsed.trusted_root]
    exact = ["--cert-identity", identity, "--cert-oidc-issuer", issuer]
    assert run("verify", rehearsed.model, *exact, *root).code == 0
    assert run("verify", rehearsed.model, *exact[:2], *root).code == 2
    assert run("verify", rehearsed.model, *exact, "--repo", "a/b", *root).code == 2


@pytest.mark.parametrize(
    ("option", "value", "code"),
    [
        ("--trigger", "workflow_dispatch", 0),
        ("--trigger", "schedule", 8),
        ("--runner", "github-hosted", 0),
        ("--runner", "self-hosted", 8),
        ("--commit", "0" * 40, 8),
        ("--commit", "main", 2),
        ("--repo-id", "1234567890123", 8),
        ("--repo-id", "x", 2),
        ("--owner-id", "1234567890123", 8),
        ("--owner-id", "0", 2),
        ("--workflow", "other.yml", 8),
        ("--ref", "refs/tags/v1", 8),
        ("--ref", "main", 2),
    ],
)
def test_each_further_expectation_is_held_against_the_certificate(
    run, rehearsed, option: str, value: str, code: int
):
    result = run("verify", rehearsed.model, *rehearsed.believing, option, value)
    assert result.code == code, result.err


def test_a_document_is_printed_for_programs(run, rehearsed):
    result = run("verify", rehearsed.model, *rehearsed.believing, "--json")
    assert result.document["verified"] is True
    assert result.document["artifacts"][0]["digest"] == str(Sha256.of_file(rehearsed.model))


def test_a_refusal_is_a_document_too(run, rehearsed, release: Path):
    (release / "u2netp_mirror_v1.onnx.sigstore.json").unlink()
    result = run("verify", release / "u2netp_mirror_v1.onnx", *rehearsed.believing, "--json")
    assert result.code == 9
    assert result.document["error"]["exit_code"] == 9


def test_quiet_prints_nothing_when_verified(run, rehearsed):
    result = run("verify", rehearsed.model, *rehearsed.believing, "--quiet")
    assert (result.code, result.out, result.err) == (0, "", "")


def test_a_directory_and_several_models_are_verified_in_one_call(run, rehearsed):
    result = run("verify", rehearsed.directory, rehearsed.model, *rehearsed.believing, "--json")
    assert result.code == 0
    assert [verdict["verified"] for verdict in result.document["verdicts"]] == [True, True]


def test_of_several_models_each_gets_its_verdict_and_the_worst_decides(
    run, rehearsed, release: Path
):
    model = release / rehearsed.model.name
    model.write_bytes(model.read_bytes() + b"x")
    missing = release / "none.onnx"
    result = run("verify", missing, rehearsed.model, model, *rehearsed.believing, "--json")
    assert result.code == 8
    codes = [verdict.get("exit_code", 0) for verdict in result.document["verdicts"]]
    assert codes == [9, 0, 8]
    assert "2 of 3 models are not verified" in result.err


def test_several_models_are_told_apart_for_people(run, rehearsed, release: Path):
    (release / "u2netp_mirror_v1.onnx.sigstore.json").unlink()
    result = run("verify", rehearsed.model, release / rehearsed.model.name, *rehearsed.believing)
    assert result.code == 9
    assert "verified   u2netp_mirror_v1.onnx" in result.out
    assert "REFUSED" in result.out


def test_a_digest_is_verified_with_its_bundle(run, rehearsed):
    digest = str(Sha256.of_file(rehearsed.model))
    bundle = rehearsed.directory / "u2netp_mirror_v1.onnx.sigstore.json"
    assert run("verify", digest, "--bundle", bundle, *rehearsed.believing).code == 0
    other = "sha256:" + "0" * 64
    assert run("verify", other, "--bundle", bundle, *rehearsed.believing).code == 8
    assert run("verify", digest, *rehearsed.believing).code == 2
    assert run("verify", "sha256:x", "--bundle", bundle, *rehearsed.believing).code == 2


def test_a_malformed_digest_is_told_before_anybody_is_asked(run, tmp_path: Path):
    nowhere = tmp_path / "no_trust_config.json"
    result = run("verify", "sha256:zz", "--sigstore", nowhere)
    assert (result.code, "no_trust_config" in result.err) == (2, False)


def test_bundle_and_from_exclude_each_other(run, rehearsed):
    assert run("verify", rehearsed.model, "--bundle", "x", "--from", "a/b").code == 2
    assert run("verify", rehearsed.model, rehearsed.model, "--bundle", "x").code == 2
    result = run("verify", rehearsed.model, "--from", "a/b", "--offline")
    assert result.code == 2
    assert "exclude each other" in result.err


def test_a_broken_trusted_root_exits_3(run, rehearsed, tmp_path: Path):
    root = tmp_path / "root.json"
    root.write_text("{}")
    result = run(
        "verify", rehearsed.model, "--repo", "rehearsal/u2netp-mirror", "--trusted-root", root
    )
    assert result.code == 3
    assert "neither a Sigstore trusted root" in result.err


def test_the_real_sigstores_root_does_not_believe_a_rehearsal(run, rehearsed):
    result = run("verify", rehearsed.model, "--repo", "rehearsal/u2netp-mirror", "--offline")
    assert result.code == 9
    assert "Traceback" not in result.err


def test_offline_opens_no_socket(rehearsed, tmp_path: Path):
    """A guard inside the interpreter turns any socket into a failure."""
    guard = tmp_path / "sitecustomize.py"
    guard.write_text(
        "import sys\n"
        "def audit(event, _):\n"
        "    if event.startswith('socket.'):\n"
        "        raise SystemExit('opened a socket: ' + event)\n"
        "sys.addaudithook(audit)\n"
    )
    path = os.pathsep.join([str(tmp_path), os.environ.get("PYTHONPATH", "")])
    finished = subprocess.run(
        [sys.executable, "-P", "-m", "release_tool", *rehearsed.verify_command, "--offline"],
        env={**os.environ, "PYTHONPATH": path, "HOME": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert finished.returncode == 0, finished.stderr


def test_a_consumer_loads_neither_torch_nor_onnx_nor_the_signing_half(rehearsed):
    script = (
        "import sys\n"
        "from release_tool.cli.main import main\n"
        f"main({json.dumps(rehearsed.verify_command)} + ['--quiet'])\n"
        "heavy = {'torch', 'onnx', 'onnxruntime', 'numpy', 'requests', 'tuf', 'sigstore.sign'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)\n"
    )
    finished = subprocess.run(
        [sys.executable, "-P", "-c", script], capture_output=True, text=True, check=False
    )
    assert (finished.returncode, finished.stderr) == (0, "")


SCHEMA = json.loads((Path(__file__).parents[2] / "docs" / "verdict.schema.json").read_text())


def test_every_document_that_verify_prints_follows_the_published_schema(
    run, rehearsed, release: Path
):
    (release / "u2netp_mirror_v1.onnx.sigstore.json").unlink()
    missing = release / "u2netp_mirror_v1.onnx"
    digest = str(Sha256.of_file(rehearsed.model))
    bundle = ["--bundle", str(rehearsed.directory / "u2netp_mirror_v1.onnx.sigstore.json")]
    for arguments in (
        [rehearsed.directory],
        [rehearsed.model],
        [digest, *bundle],
        [rehearsed.model, missing],
        [missing],
        ["sha256:x"],
        [digest, rehearsed.model],
    ):
        result = run("verify", *arguments, *rehearsed.believing, "--json")
        jsonschema.validate(result.document, SCHEMA)
        for verdict in result.document.get("verdicts", []):
            assert verdict["model"] in map(str, arguments)
