"""Drafts a recipe from a checkout and a checkpoint, and proves it by a first export.

What a person has to decide or to read is said; nothing is written here but what is returned.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from release_tool.chain.export import export_release
from release_tool.checkpoint.reader import Checkpoint, map_checkpoint, read_state_dict
from release_tool.checkpoint.tensors import digest_tensors
from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.core.files import read_limited, temporary_directory
from release_tool.core.names import RepoSlug
from release_tool.core.progress import Progress
from release_tool.export.look import Question, SeenNetwork, look_at_network
from release_tool.recipes.contract import ContractSpec
from release_tool.recipes.network import AdapterPin, InputSpec, NetworkCall, OutputSpec
from release_tool.recipes.recipe import Recipe, StateDictPlace, UpstreamPin
from release_tool.recipes.toml.defaults import derive
from release_tool.recipes.toml.reading import convert
from release_tool.upstream.checkout import MAX_SOURCE_BYTES
from release_tool.upstream.looking import SeenCheckout, look_at_checkout
from release_tool.upstream.sources import Source

UNKNOWN_OWNER = "unknown"
COPYRIGHT = re.compile(r"^\s*(copyright\b.*\d.*)$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wants a recipe of; `adapter` is a file and the class or function in it."""

    upstream: Path
    checkpoint: Path
    network: NetworkCall
    inputs: tuple[InputSpec, ...]
    outputs: tuple[OutputSpec, ...]
    contract: ContractSpec
    name: str
    repo: RepoSlug | None
    place: StateDictPlace
    adapter: tuple[Path, str] | None = None
    distributions: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Draft:
    """A recipe that an export has proved, and what was seen on the way to it."""

    recipe: Recipe
    checkout: SeenCheckout
    network: SeenNetwork
    checkpoint: Checkpoint
    remarks: tuple[str, ...]


def draft_recipe(
    wish: Wish, out: Path, environment: Mapping[str, str], *, progress: Progress
) -> Draft:
    """Look at the network, pin what was seen, export it once and pin the graph that came out.

    The recipe is for a file in the directory `out`. Raises as an export does.
    """
    with progress.stage("checkout"):
        seen = look_at_checkout(wish.upstream, wish.checkpoint)
        weights = open_weights(wish.checkpoint, wish.place)
    adapter, content = open_adapter(wish, out)
    with progress.stage("network"):
        question = Question(
            folder=find_folder(wish.network, seen.modules),
            modules=seen.modules,
            network=wish.network,
            inputs=wish.inputs,
            outputs=wish.outputs,
            contract=wish.contract,
            distributions=wish.distributions,
            adapter=adapter,
            adapter_file=content,
        )
        network = look_at_network(question, weights, environment, progress=progress)
    tables = describe(wish, seen, network, weights, adapter)
    recipe: Recipe = replace(convert(Recipe, derive(tables), ""), place=out)
    with temporary_directory() as place:
        source = Source(wish.upstream, wish.checkpoint)
        made = export_release(source, recipe, place, environment, progress=progress)
    version = made.release.manifest.toolchain["torch"].partition("+")[0]
    recipe = replace(recipe, skeletons=((f"torch {version}", made.proof.lineage.skeleton),))
    return Draft(recipe, seen, network, weights, (*network.remarks, *doubts(wish, seen)))


def open_weights(path: Path, place: StateDictPlace) -> Checkpoint:
    """Open a checkpoint that nothing pins yet; raises `InputError`."""
    content = map_checkpoint(path)
    state_dict = read_state_dict(content, path.name, place)
    tensors = digest_tensors(state_dict.tensors)
    return Checkpoint(path, path.name, Sha256.of_bytes(content), tensors, state_dict)


def open_adapter(wish: Wish, out: Path) -> tuple[AdapterPin | None, bytes]:
    """Read and pin the adapter's file, which must lie where the recipe will."""
    if wish.adapter is None:
        return None, b""
    path, name = wish.adapter
    if path.absolute().parent != out:
        raise InputError(f"{path.name} does not lie in {out}, where the recipe will")
    content = read_limited(path, MAX_SOURCE_BYTES)
    return AdapterPin(path.name, Sha256.of_bytes(content), name), content


def find_folder(network: NetworkCall, modules: Mapping[str, bytes]) -> str:
    """Return where packages begin, by where the network's module lies; raises `InputError`."""
    place = network.module.replace(".", "/")
    for folder in ("", "src/"):
        if {f"{folder}{place}.py", f"{folder}{place}/__init__.py"} & modules.keys():
            return folder
    raise InputError(
        f"the checkout has no module {network.module}: neither {place}.py nor src/{place}.py",
        hint=f"its Python files are {', '.join(sorted(modules))[:200] or 'none'}",
    )


def describe(
    wish: Wish,
    seen: SeenCheckout,
    network: SeenNetwork,
    weights: Checkpoint,
    adapter: AdapterPin | None,
) -> dict[str, Any]:
    """Return a recipe's tables."""
    ran = [path for path in network.ran if path in seen.modules]
    pins = {path: Sha256.of_bytes(seen.modules[path]) for path in sorted(ran)}
    folder = find_folder(wish.network, seen.modules)
    prefix = f"{weights.state_dict.place.prefix or ''}{network.prefix}"
    upstream = UpstreamPin(
        seen.origin or f"https://{UNKNOWN_OWNER}.invalid/{wish.name}",
        seen.commit,
        tuple(pins.items()),
        distributions=wish.distributions,
    )
    repo = wish.repo or RepoSlug(UNKNOWN_OWNER, wish.name)
    return {
        "name": wish.name,
        "upstream": upstream if upstream.folder == folder else replace(upstream, root="."),
        "license": {
            "spdx": seen.spdx or f"LicenseRef-{wish.name}",
            "path": seen.license_path,
            "sha256": seen.license_sha256,
        },
        "network": wish.network,
        "adapter": adapter,
        "checkpoint": {
            "path": checkpoint_path(wish, seen),
            "sha256": weights.digest,
            "tensors": network.tensors,
            "unused": sorted(network.unused),
            "state_dict": StateDictPlace(weights.state_dict.place.key, prefix or None),
        },
        "inputs": wish.inputs,
        "outputs": network.outputs,
        "axes": dict(network.sizes[0]),
        "contract": wish.contract,
        "parity": {"samples": [{"axes": sizes} for sizes in network.sizes]},
        "attribution": {
            "title": wish.name,
            "copyright": find_copyright(seen.license_text)
            or f"Copyright the authors of {wish.name}",
        },
        "publisher": {"repo": repo},
    }


def checkpoint_path(wish: Wish, seen: SeenCheckout) -> str:
    """Return what a checkpoint is called: its path in the checkout where it lies there."""
    path = wish.checkpoint.resolve()
    if path.is_relative_to(seen.directory):
        return path.relative_to(seen.directory).as_posix()
    return path.name


def find_copyright(text: str) -> str:
    """Return the copyright lines of a licence, in one."""
    return "; ".join(" ".join(found.split()) for found in COPYRIGHT.findall(text)[:4])[:500]


def doubts(wish: Wish, seen: SeenCheckout) -> list[str]:
    """Say what was not found out and has to be put right by hand before a release."""
    found = []
    if seen.spdx is None:
        found.append(f"the licence {seen.license_path} is not recognised: read it, name it in spdx")
    if seen.origin is None:
        found.append("where upstream is, is not known: put its address into upstream.repo")
    if wish.repo is None:
        found.append("who releases is not known: put OWNER/NAME into publisher.repo (--repo)")
    return found
