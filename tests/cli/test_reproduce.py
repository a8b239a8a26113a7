"""`release-tool reproduce` makes a release again elsewhere, and `verify` asks for its word."""

from pathlib import Path

import pytest

from release_tool.chain.reproduce import check_toolchain, compare_file
from release_tool.cli.judge.reproductions import beside_model
from release_tool.core.artifact import Artifact
from release_tool.core.errors import CannotVerify, GateError
from release_tool.rehearsal.sigstore.claims import Claims

SECOND = Claims.of("second/builder", workflow="reproduce.yml")


def test_a_second_builder_reproduces_a_release_and_a_verdict_demands_its_word(
    run, world, standin, signed: Path, tmp_path: Path
):
    token = world.sigstore.make_identity_token(**SECOND.to_token())
    believed = ["--repo", "rehearsal/u2netp-mirror"]
    again = ["reproduce", signed, *standin.options, "--sigstore", world.trust_config, *believed]
    result = run(*again, "--identity-token", token, "--out", signed, "--json")
    assert result.code == 0, result.err
    names = {each["name"] for each in result.document["reproduced"]}
    made = {path.name for path in signed.iterdir() if path.is_file()}
    assert names == {name for name in made if not name.endswith(".sigstore.json")}
    assert Path(result.document["summary"]).parent == signed

    verify = ["verify", signed / "u2netp_mirror_v1.onnx", *world.believing]
    demanded = run(*verify, "--reproduced-by", "second/builder")
    assert demanded.code == 0, demanded.err
    assert f"reproduced by  {SECOND.identity}" in demanded.out
    document = run(*verify, "--reproduced-by", SECOND.identity, "--json").document
    assert [one["identity"] for one in document["reproductions"]] == [SECOND.identity]

    assert run(*verify, "--reproduced-by", "third/builder").code == 8
    assert run(*verify, "--reproduced-by", "rehearsal/u2netp-mirror").code == 8
    elsewhere = Path(result.document["summary"]).rename(tmp_path / "elsewhere.json")
    missing = run(*verify, "--reproduced-by", "second/builder")
    assert missing.code == 9
    assert "--reproductions-from" in missing.err
    assert run(*verify, "--reproduced-by", "second/builder", "--reproduction", elsewhere).code == 0

    own = world.sigstore.make_identity_token()
    refused = run(*again, "--identity-token", own, "--out", tmp_path)
    assert refused.code == 5
    assert "its own word for it adds nothing" in refused.err


def test_a_release_that_does_not_verify_is_not_made_again(run, world, standin, signed: Path):
    model = signed / "u2netp_mirror_v1.onnx"
    content = bytearray(model.read_bytes())
    content[-1] ^= 1
    model.write_bytes(content)
    believed = ["--repo", "rehearsal/u2netp-mirror", "--sigstore", world.trust_config]
    assert run("reproduce", signed, *standin.options, *believed).code == 8


def test_another_toolchain_is_named_with_the_commands_that_make_the_right_one():
    stated = {"python": "3.12.1", "torch": "2.12.0+cpu", "onnx": "1.23.2"}
    with pytest.raises(GateError, match=r"torch 2\.12\.0\+cpu \(here 2\.13\.0\)") as error:
        check_toolchain(stated, {"python": "3.12.1", "torch": "2.13.0", "onnx": "1.23.2"})
    assert "python3.12 -m venv" in str(error.value.hint)
    assert "torch==2.12.0 " in str(error.value.hint)


@pytest.mark.parametrize(
    ("name", "ours", "released", "words"),
    [
        ("a.manifest.json", b'{"toolchain": {"torch": "1"}}', b'{"toolchain": {"torch": "2"}}',
         "toolchain.torch: '2', made again it is '1'"),
        ("LICENSE.txt", b"one two", b"one 2wo", "byte 4"),
    ],
)  # fmt: skip
def test_the_first_difference_is_told_by_key_or_byte(tmp_path: Path, name, ours, released, words):
    places = tmp_path / "ours" / name, tmp_path / "released" / name
    for place, content in zip(places, (ours, released), strict=True):
        place.parent.mkdir()
        place.write_bytes(content)
    with pytest.raises(GateError, match=words.replace(".", r"\.")):
        compare_file(Artifact.of_file(places[0]), *places)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--reproduction", "x.onnx"], "go with --reproduced-by"),
        (["--reproduced-by", "somebody@example.org"], "IDENTITY,ISSUER"),
        (["--reproduced-by", "a/b", "--reproductions-from", "a/b", "--offline"], "--offline"),
    ],
)
def test_wrong_options_are_a_usage_error(run, rehearsed, tmp_path, monkeypatch, options, words):
    monkeypatch.chdir(tmp_path)
    Path("x.onnx").touch()
    result = run("verify", rehearsed.model, *rehearsed.believing, *options)
    assert result.code == 2
    assert words in result.err


def test_a_folder_that_cannot_be_listed_gives_no_verdict(tmp_path: Path):
    with pytest.raises(CannotVerify, match="cannot read"):
        beside_model(tmp_path / "missing" / "model.onnx")
