"""The examples of the page on the Python API, run as they stand there."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from release_tool.core.errors import CannotVerify, NotVerified
from release_tool.core.names import RepoSlug
from release_tool.recipes.u2netp import U2NETP
from release_tool.verify import ExpectedSigner

PAGE = Path(__file__).parents[2] / "docs" / "python.md"
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE.read_text(), re.DOTALL | re.MULTILINE)
REPO = "rehearsal/u2netp-mirror"


def example(name: str) -> dict[str, Any]:
    """Run the one block of the page that defines a function; return what it defines."""
    [text] = [text for text in EXAMPLES if f"def {name}(" in text]
    defined: dict[str, Any] = {}
    exec(compile(text, PAGE.name, "exec"), defined)  # noqa: S102
    return defined


@pytest.fixture
def model(rehearsed, tmp_path: Path) -> Path:
    shutil.copytree(rehearsed.directory, tmp_path / "dist")
    return tmp_path / "dist" / U2NETP.names.model


@pytest.fixture
def expected(model: Path) -> dict[str, Any]:
    """Whom a reader of the rehearsed release believes."""
    return {
        "signer": ExpectedSigner.of_workflow(RepoSlug.parse(REPO)),
        "trusted_root": model.parent / "rehearsal" / "trusted_root.json",
    }


def replacing(verify: Callable[..., Any]) -> Callable[..., Any]:
    """Replace the file as soon as it is verified, as an attacker would."""

    def verify_and_replace(path: Path, **expected: Any) -> Any:
        verified = verify(path, **expected)
        path.write_bytes(b"another model")
        return verified

    return verify_and_replace


def test_onnxruntime_loads_the_bytes_that_were_verified_though_the_file_was_replaced(
    model, expected
):
    defined = example("open_session")
    defined["verify_model"] = replacing(defined["verify_model"])
    session = defined["open_session"](model, **expected)
    assert model.read_bytes() == b"another model"
    [given] = session.get_inputs()
    shape = [side if isinstance(side, int) else 1 for side in given.shape]
    outputs = session.run(None, {given.name: np.zeros(shape, np.float32)})
    assert all(np.isfinite(output).all() for output in outputs)


def test_a_changed_byte_gives_no_session(model, expected):
    content = bytearray(model.read_bytes())
    content[len(content) // 2] ^= 1
    model.write_bytes(content)
    with pytest.raises(NotVerified, match="the file's digest"):
        example("open_session")["open_session"](model, **expected)


def test_the_named_workflow_and_ref_must_have_signed(model, expected):
    del expected["signer"]
    verify_theirs = example("verify_theirs")["verify_theirs"]
    assert verify_theirs(model, REPO, **expected).content == model.read_bytes()
    for wrong in ({"ref": "refs/heads/other"}, {"workflow": "other.yml"}):
        with pytest.raises(NotVerified, match="identity"):
            verify_theirs(model, REPO, **wrong, **expected)


def test_the_description_says_who_signed_what_and_how_much_is_covered(model, expected):
    said = example("describe")["describe"](model, **expected)
    assert said["digest"].startswith("sha256:")
    assert said["signer"].startswith(f"https://github.com/{REPO}/")
    assert (said["signature only"], said["not covered"]) == (False, ())
    for file in (U2NETP.names.provenance, U2NETP.names.manifest):
        (model.parent / file).unlink()
    said = example("describe")["describe"](model, **expected)
    assert (said["signature only"], said["not covered"]) == (True, ("provenance", "manifest"))


def test_whoever_catches_the_exceptions_gets_the_bytes_or_nothing_and_the_reason(model, expected):
    verified_or_none = example("verified_or_none")["verified_or_none"]
    said: list[str] = []
    assert verified_or_none(model, said.append, **expected) == model.read_bytes()
    assert said == []
    with model.open("ab") as stream:
        stream.write(b"x")
    assert verified_or_none(model, said.append, **expected) is None
    assert verified_or_none(model.parent / "missing.onnx", said.append, **expected) is None
    assert len(said) == 2


def test_every_example_of_the_page_is_run_here():
    names = re.findall(r"^def (\w+)", "\n".join(EXAMPLES), re.MULTILINE)
    assert len(names) == len(EXAMPLES)
    source = Path(__file__).read_text()
    assert [name for name in names if f'example("{name}")' not in source] == []


def test_the_exceptions_of_the_page_are_raised(model, expected):
    """Those that a reader meets first; a network that fails belongs to tests/trust."""
    open_session = example("open_session")["open_session"]
    with pytest.raises(CannotVerify):
        open_session(model.parent / "missing.onnx", **expected)
    model.with_name(U2NETP.names.bundle).unlink()
    with pytest.raises(CannotVerify):
        open_session(model, **expected)
