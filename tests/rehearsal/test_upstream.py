"""The stand-in upstream is constant, and torch and git take it for what it seems to be."""

import io
import os
import subprocess
import sys
from typing import Any

import pytest
import torch

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.core.names import CommitId
from release_tool.recipes.u2netp import U2NETP
from release_tool.rehearsal import upstream
from release_tool.rehearsal.upstream import COMMIT, MODULE, make_checkpoint, make_upstream


def test_two_stand_ins_are_the_same_whatever_the_directory_and_the_user(tmp_path, monkeypatch):
    first = make_upstream(tmp_path / "first")
    monkeypatch.setenv("GIT_AUTHOR_NAME", "Somebody")
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    monkeypatch.setenv("GIT_CONFIG_KEY_0", "core.autocrlf")
    monkeypatch.setenv("GIT_CONFIG_VALUE_0", "true")
    monkeypatch.setenv("TZ", "Asia/Tokyo")
    previous = os.umask(0o077)
    try:
        second = make_upstream(tmp_path / "deep/er/second")
    finally:
        os.umask(previous)
    assert first.recipe == second.recipe
    assert first.recipe.upstream.commit == COMMIT
    assert Sha256.of_file(first.checkpoint) == Sha256.of_file(second.checkpoint)


def test_the_recipe_pins_the_files_and_keeps_the_names_of_the_release(tmp_path):
    made = make_upstream(tmp_path)
    pin = made.recipe.upstream
    [(path, digest)] = pin.modules
    assert Sha256.of_file(made.checkout / path) == digest
    assert Sha256.of_file(made.checkout / made.recipe.license.path) == made.recipe.license.sha256
    assert Sha256.of_file(made.checkpoint) == made.recipe.checkpoint.sha256
    assert made.recipe.names == U2NETP.names
    assert made.recipe.publisher.repo.owner == "rehearsal"
    assert "rehearsal" in made.recipe.name
    assert "rehearsal" in pin.repo


def test_git_finds_the_tree_clean(tmp_path):
    made = make_upstream(tmp_path)
    status = subprocess.run(
        ["git", "status", "--porcelain", "--ignored"], cwd=made.checkout, capture_output=True,
        check=True,
    )  # fmt: skip
    assert status.stdout == b""


def network() -> torch.nn.Module:
    namespace: dict[str, type[torch.nn.Module]] = {"__name__": "standin"}  # type: ignore[dict-item]
    exec(compile(MODULE, "standin", "exec"), namespace)  # noqa: S102
    return namespace["U2NETP"](3, 1).eval()


def test_the_checkpoint_fits_the_network_as_after_training_in_parallel():
    state = torch.load(io.BytesIO(make_checkpoint()), weights_only=True)
    parallel = torch.nn.DataParallel(network())
    assert list(state) == list(parallel.state_dict())
    parallel.load_state_dict(state, strict=True)


@pytest.mark.parametrize("size", [(32, 32), (37, 53), (1, 1), (96, 128)])
def test_the_network_returns_seven_maps_of_the_size_of_its_input(size):
    built = network()
    state = torch.load(io.BytesIO(make_checkpoint()), weights_only=True)
    built.load_state_dict({name.removeprefix("module."): value for name, value in state.items()})
    maps = built(torch.randn(1, 3, *size))
    assert len(maps) == 7
    for each in maps:
        assert each.shape == (1, 1, *size)
        assert ((each > 0.05) & (each < 0.95)).float().mean() > 0.5


def test_every_channel_and_level_matters(tmp_path):
    """A change of any tensor changes the fused map, so that no attack on the weights is idle."""
    built = network()
    state = torch.load(io.BytesIO(make_checkpoint()), weights_only=True)
    plain = {name.removeprefix("module."): value for name, value in state.items()}
    torch.manual_seed(0)
    image = torch.randn(1, 3, 32, 48)

    def fused(**changes: torch.Tensor) -> Any:
        built.load_state_dict(plain | changes)
        with torch.inference_mode():
            return built(image)[0]

    before = fused()
    for name, value in plain.items():
        if not name.endswith("num_batches_tracked"):
            difference = fused(**{name: value * 1.5 + 0.1}) - before
            assert difference.abs().max() > 1e-6, name


def test_it_imports_neither_torch_nor_another_stage():
    script = (
        "import sys, release_tool.rehearsal.upstream\n"
        "assert 'torch' not in sys.modules\n"
        "ours = [name for name in sys.modules if name.startswith('release_tool.')]\n"
        "stages = {name.split('.')[1] for name in ours}\n"
        "assert stages == {'core', 'recipes', 'rehearsal'}, stages\n"
    )
    subprocess.run([sys.executable, "-P", "-c", script], check=True, timeout=60)


def test_an_upstream_is_never_made_on_top_of_another(tmp_path):
    make_upstream(tmp_path)
    with pytest.raises(InputError, match=r"cannot write to .*exists"):
        make_upstream(tmp_path)


def test_a_missing_git_is_an_input_error(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(InputError, match="git could not make the stand-in"):
        make_upstream(tmp_path)


def test_a_git_that_makes_another_commit_is_noticed(tmp_path, monkeypatch):
    monkeypatch.setattr(upstream, "COMMIT", CommitId("0" * 40))
    with pytest.raises(InputError, match=f"git made commit {COMMIT}"):
        make_upstream(tmp_path)
