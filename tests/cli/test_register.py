"""A verified release becomes one entry of a registry, and every other byte of it stays."""

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from release_tool.core.errors import InputError
from release_tool.provenance.registry import Registry
from tests.evaluate.networks import make_network

STEM = "u2netp_mirror_v1"
ALLOWED = {
    "id", "kind", "onnx", "sha256", "opset", "license", "license_url", "sigstore_bundle",
    "description", "notes", "smoke", "quant_mode", "release_url",
}  # fmt: skip


def entry(number: int, sha256: str = "ab" * 32) -> dict[str, Any]:
    return {"id": f"student_v{number}", "kind": "nr", "onnx": f"student_v{number}.onnx",
            "sha256": sha256, "notes": "Ünïcode, and  two  blanks"}  # fmt: skip


def validate(registry: Path) -> None:
    """The registry's rules, written from their description alone."""
    document = json.loads(registry.read_bytes())
    assert document["schema_version"] == 1
    ids = [each["id"] for each in document["models"]]
    assert len(ids) == len(set(ids))
    for each in document["models"]:
        assert each.keys() <= ALLOWED
        assert re.fullmatch(r"[a-z0-9][a-z0-9_-]{0,63}", each["id"])
        assert each["kind"] in {"fr", "nr", "filter"}
        assert re.fullmatch(r"[a-z0-9][a-z0-9_./-]*\.onnx", each["onnx"])
        assert re.fullmatch(r"[0-9a-f]{64}", each["sha256"])
        assert each.get("opset", 17) in range(7, 22)
        assert len(each.get("description", "")) <= 256
        assert len(each.get("notes", "")) <= 512
        assert each.get("sigstore_bundle", ".sigstore.json").endswith(".sigstore.json")
        assert each.get("release_url", "https://").startswith("https://")


@pytest.fixture
def incumbent(tmp_path: Path) -> Path:
    path = tmp_path / "incumbent.onnx"
    path.write_bytes(make_network())
    return path


@pytest.fixture
def registry(tmp_path: Path, incumbent: Path) -> Path:
    """Twenty entries, oddly spaced, of which the seventh is the incumbent."""
    digest = hashlib.sha256(incumbent.read_bytes()).hexdigest()
    models = [entry(number, digest if number == 7 else f"{number:064x}") for number in range(20)]
    text = json.dumps({"schema_version": 1, "models": models}, indent=3, ensure_ascii=False)
    path = tmp_path / "tiny" / "registry.json"
    path.parent.mkdir()
    path.write_text(text.replace('"id": "student_v3"', '"id"  :   "student_v3"') + "\n\n")
    return path


@pytest.fixture
def signed(run, world, exported: Path, incumbent: Path, tmp_path: Path) -> Path:
    """A signed release with an evaluation against the incumbent, with masks."""
    noise = np.random.default_rng(1).integers(0, 255, (40, 50, 3), np.uint8)
    for folder in ("media", "masks"):
        (tmp_path / folder).mkdir()
        PIL.Image.fromarray(noise).save(tmp_path / folder / "a.png")
    out = tmp_path / "report"
    options = ["--against", incumbent, "--media", tmp_path / "media", "--variant", "own-colour"]
    options += ["--masks", tmp_path / "masks", "--masks-from", "duts-tr", "--out", out]
    done = run("evaluate", exported / f"{STEM}.onnx", *options)
    assert done.code == 0, done.err
    for ending in ("json", "html"):
        target = exported / f"{STEM}.evaluation.{ending}"
        target.write_bytes((out / f"evaluation.{ending}").read_bytes())
    assert run("sign", exported, *world.signing).code == 0
    return exported


def test_an_entry_is_added_and_every_other_byte_stays(run, world, signed, registry):
    before = registry.read_text()
    done = run("register", signed, "--registry", registry, *world.believing)
    assert done.code == 0, done.err
    after = registry.read_text()
    head, tail = before[: before.rindex("}\n   ]") + 1], before[before.rindex("\n   ]") :]
    assert after.startswith(head + ",")
    assert after.endswith(tail)
    validate(registry)
    added = json.loads(after)["models"][-1]
    assert added["id"] == STEM
    assert added["sha256"] == hashlib.sha256((signed / f"{STEM}.onnx").read_bytes()).hexdigest()
    assert "evaluated against student_v7: passed" in added["notes"]
    assert added["release_url"].endswith(f"/u2netp-mirror-v1/{STEM}.onnx")
    sidecar = json.loads((registry.parent / "u2netp_mirror.json").read_bytes())
    assert (sidecar["input_name"], sidecar["output_name"]) == ("input", "saliency_map")
    assert sidecar["sha256"] == added["sha256"]
    assert "the default is never changed" in done.err


def test_twice_changes_nothing_and_an_update_stays_in_its_place(run, world, signed, registry):
    command = ("register", signed, "--registry", registry, *world.believing)
    assert run(*command).code == 0
    first = registry.read_bytes()
    assert run(*command).code == 0
    assert registry.read_bytes() == first
    document = json.loads(first)
    document["models"].insert(2, document["models"].pop() | {"opset": 16})
    registry.write_text(json.dumps(document, indent=3, ensure_ascii=False))
    assert run(*command).code == 0
    assert json.loads(registry.read_bytes())["models"][2]["opset"] == 17


def test_a_dry_run_writes_nothing(run, world, signed, registry):
    before = registry.read_bytes()
    done = run("register", signed, "--registry", registry, "--dry-run", *world.believing, "--json")
    assert (done.code, done.document["entry"]["id"]) == (0, STEM)
    assert registry.read_bytes() == before
    assert not (registry.parent / "u2netp_mirror.json").exists()


def test_a_release_without_an_evaluation_is_refused_unless_that_is_meant(
    run, world, exported, registry
):
    assert run("sign", exported, *world.signing).code == 0
    command = ("register", exported, "--registry", registry, *world.believing)
    refused = run(*command)
    assert (refused.code, "no signed evaluation" in refused.err) == (4, True)
    done = run(*command, "--without-evaluation", "--smoke", "true")
    assert done.code == 0, done.err
    assert json.loads(registry.read_bytes())["models"][-1]["smoke"] is True
    assert not (registry.parent / "u2netp_mirror.json").exists()


def test_an_evaluation_against_no_entry_is_refused(run, world, signed, registry):
    registry.write_text('{"schema_version": 1, "models": []}')
    done = run("register", signed, "--registry", registry, *world.believing)
    assert (done.code, "which is no entry of the registry" in done.err) == (4, True)


@pytest.mark.parametrize(
    "text",
    ['{"schema_version": 1, "models": []}', '{\n  "schema_version": 1,\n  "models": [\n  ]\n}\n'],
)
def test_an_empty_registry_gets_its_first_entry(text):
    made = Registry.parse(text.encode()).with_entry(entry(1) | {"opset": 17})
    assert json.loads(made)["models"] == [entry(1) | {"opset": 17}]
    assert Registry.parse(made).with_entry(entry(1) | {"opset": 17}) == made


def test_line_ends_of_windows_stay():
    text = json.dumps({"models": [entry(1)], "schema_version": 1}, indent=2).replace("\n", "\r\n")
    made = Registry.parse(text.encode()).with_entry(entry(2) | {"opset": 17})
    assert b"\n" not in made.replace(b"\r\n", b"")
    assert len(json.loads(made)["models"]) == 2


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"[]", "registry"),
        (b'{"schema_version": 2, "models": []}', "not of schema_version 1"),
        (b'{"schema_version": 1, "models": [{"id": "a"}, {"id": "a"}]}', "two entries 'a'"),
        (b'{"schema_version": 1, "models": [3]}', "without an id"),
    ],
)
def test_what_is_no_registry_is_refused(content, words):
    with pytest.raises(InputError, match=words):
        Registry.parse(content)


@pytest.mark.parametrize(
    "change",
    [{"id": "A"}, {"kind": "x"}, {"onnx": "../a.onnx"}, {"opset": 22}, {"notes": "x" * 513}],
)
def test_an_entry_that_the_registry_would_refuse_is_not_written(change):
    empty = Registry.parse(b'{"schema_version": 1, "models": []}')
    with pytest.raises(InputError, match="the registry takes no such entry"):
        empty.with_entry(entry(1) | {"opset": 17} | change)
