"""A release carries its evaluation, signed with the rest, and a verdict tells of it."""

import json
import re
from pathlib import Path

import numpy as np
import PIL.Image
import pytest

from release_tool.core.errors import InputError
from release_tool.provenance.test_result import EvaluationClaim, read_result

STEM = "u2netp_mirror_v1"
MODEL, DOCUMENT, REPORT = f"{STEM}.onnx", f"{STEM}.evaluation.json", f"{STEM}.evaluation.html"
RESULT = f"{STEM}.evaluation.sigstore.json"


@pytest.fixture
def evaluation(run, exported: Path, tmp_path: Path) -> Path:
    """The report on the export that is to be signed."""
    picture = tmp_path / "picture.png"
    noise = np.random.default_rng(1).integers(0, 255, (40, 50, 3), np.uint8)
    PIL.Image.fromarray(noise).save(picture)
    out = tmp_path / "report"
    options = ("--media", picture, "--variant", "own-colour", "--out", out)
    done = run("evaluate", exported / MODEL, *options)
    assert done.code == 0, done.err
    return out


@pytest.fixture
def evaluated(exported: Path, evaluation: Path) -> Path:
    """An export with its evaluation's files beside it."""
    (exported / DOCUMENT).write_bytes((evaluation / "evaluation.json").read_bytes())
    (exported / REPORT).write_bytes((evaluation / "evaluation.html").read_bytes())
    return exported


@pytest.fixture
def signed(run, world, evaluated: Path) -> Path:
    done = run("sign", evaluated, *world.signing)
    assert done.code == 0, done.err
    return evaluated


def test_the_evaluation_is_signed_with_the_rest_and_told_in_the_verdict(run, world, signed):
    done = run("verify", signed, *world.believing, "--require", "evaluation", "--json")
    assert done.code == 0, done.err
    assert done.document["evaluation"]["result"] == "passed"
    assert done.document["evaluation"]["identity"] == done.document["signer"]["identity"]
    roles = {file["role"]: file["name"] for file in done.document["artifacts"]}
    assert (roles["evaluation"], roles["report"], roles["test-result"]) == (
        DOCUMENT, REPORT, RESULT)  # fmt: skip
    told = run("verify", signed, *world.believing)
    assert re.search(r"^evaluated +passed, by https://", told.out, re.MULTILINE)


def test_a_release_goes_up_and_comes_back_with_its_evaluation(run, world, signed, tmp_path):
    assert run("upload", signed, *world.believing, *world.api).code == 0
    [release] = world.github.state.releases.values()
    assert {DOCUMENT, REPORT, RESULT} <= {asset.name for asset in release.assets.values()}
    tag = "rehearsal/u2netp-mirror@u2netp-mirror-v1"
    models = tmp_path / "models"
    done = run("fetch", tag, "--to", models, *world.believing[2:], *world.api, "--json")
    assert done.code == 0, done.err
    assert (models / "u2netp_mirror.evaluation.html").exists()
    assert done.document["evaluation"]["result"] == "passed"


def test_without_an_evaluation_a_verdict_says_not_and_the_demand_fails(run, world, exported):
    assert run("sign", exported, *world.signing).code == 0
    done = run("verify", exported, *world.believing)
    assert done.code == 0
    assert re.search(r"^evaluated +not$", done.out, re.MULTILINE)
    demanded = run("verify", exported, *world.believing, "--require", "evaluation")
    assert demanded.code == 8
    assert "none beside the model" in demanded.err


def test_an_evaluation_that_failed_is_told_and_does_not_meet_the_demand(run, world, evaluated):
    document = json.loads((evaluated / DOCUMENT).read_bytes())
    document["passed"] = False
    (evaluated / DOCUMENT).write_text(json.dumps(document))
    assert run("sign", evaluated, *world.signing).code == 0
    done = run("verify", evaluated, *world.believing, "--json")
    assert (done.code, done.document["evaluation"]["result"]) == (0, "failed")
    assert run("verify", evaluated, *world.believing, "--require", "evaluation").code == 8


@pytest.mark.parametrize("name", [DOCUMENT, REPORT, RESULT])
def test_a_changed_file_of_the_evaluation_is_noticed(run, world, signed, name):
    path = signed / name
    path.write_bytes(
        path.read_bytes().replace(b"own-colour", b"own-coloUr").replace(b"MII", b"MIJ")
    )
    done = run("verify", signed, *world.believing)
    assert done.code in {8, 9}, done.err


def test_an_evaluation_of_another_model_is_not_signed(run, world, evaluated):
    document = json.loads((evaluated / DOCUMENT).read_bytes())
    document["model"]["sha256"] = "0" * 64
    (evaluated / DOCUMENT).write_text(json.dumps(document))
    done = run("sign", evaluated, *world.signing)
    assert done.code == 3
    assert "the evaluation is of the model sha256:0000" in done.err


def test_half_an_evaluation_is_not_signed(run, world, evaluated):
    (evaluated / REPORT).unlink()
    done = run("sign", evaluated, *world.signing)
    assert (done.code, f"{DOCUMENT} is there alone" in done.err) == (3, True)


def test_a_new_evaluation_is_signed_anew_and_a_removed_one_leaves_nothing(run, world, signed):
    first = (signed / RESULT).read_bytes()
    document = json.loads((signed / DOCUMENT).read_bytes())
    document["recipe"] = "another"
    (signed / DOCUMENT).write_text(json.dumps(document))
    assert run("sign", signed, *world.signing).code == 0
    assert (signed / RESULT).read_bytes() != first
    for name in (DOCUMENT, REPORT):
        (signed / name).unlink()
    assert run("sign", signed, *world.signing).code == 0
    assert not (signed / RESULT).exists()


@pytest.mark.parametrize(
    "content",
    [b"{}", b'{"schema": "release-tool-evaluation-v1", "passed": true}', b"[]", b"x"],
)
def test_what_is_no_evaluation_is_refused(content):
    with pytest.raises(InputError):
        EvaluationClaim.parse(content)


def test_only_known_results_are_read():
    assert read_result({"result": "WARNED"}) == "passed"
    with pytest.raises(InputError, match="the test result is 'MAYBE'"):
        read_result({"result": "MAYBE"})
