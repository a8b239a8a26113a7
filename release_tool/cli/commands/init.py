"""`release-tool init`: looks at a network and writes the recipe that pins it."""

import os
import re
import shlex
from pathlib import Path

import click

from release_tool.chain.draft import Draft, Wish, draft_recipe
from release_tool.cli.options import DIRECTORY, FILE, TEXT, text, with_output
from release_tool.cli.state import BLANK, Row, State
from release_tool.cli.wishes import parse_call, parse_input, parse_output
from release_tool.core.errors import UsageError
from release_tool.core.files import write_whole
from release_tool.core.names import RepoSlug
from release_tool.recipes.contract import IR_VERSIONS, ContractSpec
from release_tool.recipes.recipe import StateDictPlace
from release_tool.recipes.toml.writing import write_recipe


@click.command("init")
@click.option("--upstream-dir", type=DIRECTORY, required=True, help="A clean git checkout.")
@click.option("--checkpoint", type=FILE, required=True, help="The weights.")
@click.option(
    "--network", type=TEXT, metavar="MODULE:NAME", required=True, help="The class or function."
)
@click.option(
    "--argument", "named", metavar="NAME=JSON", multiple=True, help="An argument of it, by name."
)
@click.option("--positional", metavar="JSON", multiple=True, help="An argument of it, in turn.")
@click.option(
    "--input",
    "inputs",
    metavar="NAME=TYPE[DIM,...]",
    multiple=True,
    required=True,
    help="An input of forward: image=float32[1,3,H,W], or 'ids=int64[1,T] integers 0 99'.",
)
@click.option(
    "--output",
    "outputs",
    metavar="NAME[=SELECTOR]",
    multiple=True,
    help="An output: all that forward returns, or by index, key or .attribute.",
)
@text("--adapter", "FILE:NAME", "Your own module around the network, beside the recipe.")
@click.option(
    "--distribution",
    "distributions",
    metavar="NAME==VERSION",
    multiple=True,
    help="An installed package that the network imports.",
)
@text("--state-dict", "KEY", "Where the weights lie in the checkpoint's file.")
@text("--prefix", "PREFIX", "What the names of the weights begin with there.")
@click.option(
    "--profile",
    type=click.Choice(["standard", "vmaf"]),
    default="standard",
    show_default=True,
    help="What the model's consumer allows.",
)
@click.option(
    "--opset",
    type=click.IntRange(min(IR_VERSIONS), max(IR_VERSIONS)),
    default=17,
    show_default=True,
    help="Of ONNX.",
)
@text("--name", "NAME", "The recipe's name; by default that of its file.")
@text("--repo", "OWNER/NAME", "The repository that will release the model.")
@click.option("--out", type=FILE, required=True, help="The recipe, a .toml file.")
@click.option("--force", is_flag=True, help="Replace the recipe if it is there.")
@with_output
@click.pass_obj
def command(
    state: State,
    upstream_dir: Path,
    checkpoint: Path,
    network: str,
    named: tuple[str, ...],
    positional: tuple[str, ...],
    inputs: tuple[str, ...],
    outputs: tuple[str, ...],
    adapter: str | None,
    distributions: tuple[str, ...],
    state_dict: str | None,
    prefix: str | None,
    profile: str,
    opset: int,
    name: str | None,
    repo: str | None,
    out: Path,
    force: bool,
) -> None:
    """Look at a network and write the recipe that pins it.

    Builds and runs the network in a child process without secrets, finds out which files of the
    checkout it executes, what comes out in which shapes, where the weights lie, and under which
    licence it is; exports it once; and writes all that down. Read what is printed before you trust
    it: these files were executed, and this is what else the checkpoint holds.

    \b
    Examples:
      release-tool init --upstream-dir mynet --checkpoint w.pth --network mynet.net:Net --input 'x=float32[1,3,H,W]' --out mynet.toml
    """  # noqa: E501 - an example is one line
    if out.suffix != ".toml":
        raise UsageError(f"{out.name} is no name of a recipe", hint="end it in .toml")
    if out.exists() and not force:
        raise UsageError(f"{out} is there already", hint="--force replaces it")
    wish = Wish(
        upstream=upstream_dir,
        checkpoint=checkpoint,
        network=parse_call(network, positional, named),
        inputs=tuple(parse_input(each) for each in inputs),
        outputs=tuple(parse_output(each) for each in outputs),
        contract=ContractSpec(profile, opset),
        name=name or re.sub(r"[^a-z0-9_-]", "-", out.stem.lower()),
        repo=RepoSlug.parse(repo) if repo else None,
        place=StateDictPlace(state_dict, prefix),
        adapter=split_adapter(adapter),
        distributions=tuple(split_distribution(each) for each in distributions),
    )
    draft = draft_recipe(wish, out.absolute().parent, os.environ, progress=state)
    write_whole(out, write_recipe(draft.recipe).encode())
    show(state, draft, out, wish)


def split_adapter(given: str | None) -> tuple[Path, str] | None:
    """Read `FILE:NAME`."""
    if given is None:
        return None
    path, colon, name = given.rpartition(":")
    if not colon or not name.isidentifier():
        raise UsageError(f"not an adapter: {given[:120]!r}", hint="write it as FILE.py:NAME")
    return Path(path), name


def split_distribution(given: str) -> tuple[str, str]:
    """Read `NAME==VERSION`."""
    name, equal, version = given.partition("==")
    if not (name and equal and version):
        raise UsageError(f"not a pinned package: {given[:120]!r}", hint="write it as NAME==VERSION")
    return name, version


def show(state: State, draft: Draft, out: Path, wish: Wish) -> None:
    """Print what a person has to read, and what can be done next."""
    recipe, held = draft.recipe, draft.checkpoint.state_dict
    sources = ["--upstream-dir", str(wish.upstream), "--checkpoint", str(wish.checkpoint)]
    following = ["release-tool", "rehearse", "--recipe", str(out), *sources]
    executed = [path for path, _ in recipe.upstream.modules]
    place = recipe.checkpoint.state_dict
    document = {
        "recipe": str(out),
        "executed": executed,
        "license": recipe.license.spdx,
        "commit": str(recipe.upstream.commit),
        "tensors": recipe.checkpoint.tensors,
        "unused": sorted(recipe.checkpoint.unused),
        "beside": list(held.beside),
        "foreign": list(held.foreign),
        "remarks": list(draft.remarks),
        "next": following,
    }
    found = f"under {place.key or 'the top'}, names behind {place.prefix or 'nothing'}"
    rows: list[Row] = [("recipe", str(out))]
    rows += [("executed", path) for path in executed]
    rows += [
        ("licence", f"{recipe.license.spdx} in {recipe.license.path}"),
        ("commit", str(recipe.upstream.commit)),
        ("tensors", f"{recipe.checkpoint.tensors}, {found}"),
    ]
    rows += [("unused", name) for name in sorted(recipe.checkpoint.unused)]
    if held.beside:
        rows.append(("beside them", ", ".join(held.beside)[:500]))
    if held.foreign:
        rows.append(("not loaded", ", ".join(held.foreign)[:500]))
    rows += [("remark", each) for each in draft.remarks]
    state.print_result(document, [*rows, BLANK, ("next", shlex.join(following))])
