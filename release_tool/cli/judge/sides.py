"""Opens what `diff` compares: a model, a release's directory, or a release on GitHub."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from release_tool.cli.judge.downloading import fetch_files
from release_tool.cli.judge.judging import Judge
from release_tool.cli.reading import open_read_api
from release_tool.cli.state import State
from release_tool.cli.tokens import find_token
from release_tool.compare.difference import Side
from release_tool.core.documents import JsonObject, parse_json_object
from release_tool.core.errors import UsageError
from release_tool.core.files import read_limited
from release_tool.core.limits import TEXT_LIMIT_BYTES
from release_tool.core.names import Destination
from release_tool.gates.wire import open_model
from release_tool.recipes import layout
from release_tool.recipes.recipe import Recipe
from release_tool.verify.evidence import BUNDLE_SUFFIXES, exists
from release_tool.verify.locate import find_model, hash_model, is_directory
from release_tool.verify.quarantine import open_quarantine

MakeJudge = Callable[[], Judge]


@dataclass(frozen=True, slots=True)
class Places:
    """Where the sides may come from: the recipe that names their files, if any, and an API."""

    recipe: Recipe | None
    api: str
    offline: bool


@contextmanager
def open_sides(
    named: tuple[str, str], places: Places, judge: MakeJudge, state: State
) -> Iterator[tuple[Side, Side]]:
    """Yield both sides; what was downloaded for them is removed at the end."""
    with ExitStack() as stack:
        first, second = (stack.enter_context(open_place(name, places, state)) for name in named)
        yield (
            open_side(named[0], first, places.recipe, judge),
            open_side(named[1], second, places.recipe, judge),
        )


@contextmanager
def open_place(named: str, places: Places, state: State) -> Iterator[Path]:
    """Yield the path that is meant; a name that is no path is a release on GitHub."""
    path = Path(named)
    if exists(path):
        yield path
        return
    try:
        wanted = Destination.parse(named)
    except UsageError as error:
        raise UsageError(
            f"{named} is neither here nor a release", hint="give a path, or OWNER/NAME@TAG"
        ) from error
    if places.offline:
        raise UsageError(f"{named} is not here, and --offline asks nobody for it")
    with (
        TemporaryDirectory() as directory,
        open_quarantine(Path(directory), wanted) as place,
        open_read_api(places.api, find_token(os.environ), state) as source,
        state.stage(f"download {wanted}"),
    ):
        fetch_files(source, wanted, places.recipe, place, state)
        yield place


def open_side(named: str, path: Path, recipe: Recipe | None, judge: MakeJudge) -> Side:
    """Open the model and what lies beside it, and reach a verdict where there is evidence."""
    names = None if recipe is None else recipe.names
    file = find_model(path, names) if is_directory(path) else path
    digest, size = hash_model(file)
    return Side(
        named=named,
        size=size,
        digest=digest,
        model=open_model(file),
        manifest=read_manifest(file.with_name(layout.MANIFEST.beside(file.name))),
        verdict=judge_side(path, file, judge),
    )


def read_manifest(path: Path) -> JsonObject:
    """Read the manifest beside a model, whatever its recipe; empty where there is none."""
    if not exists(path):
        return {}
    return parse_json_object(read_limited(path, TEXT_LIMIT_BYTES), path.name)


def judge_side(path: Path, model: Path, judge: MakeJudge) -> JsonObject:
    """Reach the verdict on a side, a refusal being an answer too."""
    if not any(exists(model.with_name(model.name + suffix)) for suffix in BUNDLE_SUFFIXES):
        return {"verified": False, "reason": "there is no bundle beside it"}
    return judge().outcome(str(path)).to_json()
