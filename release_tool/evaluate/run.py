"""One evaluation from its files to its report: what is asked for, in its order."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from os.path import lexists
from pathlib import Path

from release_tool.core.digest import Sha256
from release_tool.core.documents import JsonObject, parse_json_object
from release_tool.core.errors import GateError, InputError, UsageError
from release_tool.core.files import install_files, remove_tree, staging_directory, write_whole
from release_tool.core.progress import Progress
from release_tool.evaluate.compare import Comparison, ComparisonSettings
from release_tool.evaluate.masks import pair_masks
from release_tool.evaluate.media import find_media
from release_tool.evaluate.network import Network
from release_tool.evaluate.replay import ReplayReport, run_replay
from release_tool.evaluate.report.describing import (
    describe_comparison,
    describe_model,
    describe_replay,
    describe_runs,
)
from release_tool.evaluate.report.document import SCHEMA, EvaluatedModel, Evaluation, Measured
from release_tool.evaluate.report.keeping import Keeper
from release_tool.evaluate.report.page import render
from release_tool.evaluate.variants import Size
from release_tool.recipes.replay import ReplaySpec

DOCUMENT = "evaluation.json"
PAGE = "evaluation.html"
PICTURES = "evaluation-pictures"


@dataclass(frozen=True, slots=True)
class ModelFile:
    """A model, and the name that its input must have."""

    path: Path
    input_name: str


@dataclass(frozen=True, slots=True)
class Compared:
    """What to compare: with which incumbent, on which media, against which masks."""

    media: tuple[Path, ...]
    incumbent: ModelFile | None = None
    masks: Path | None = None
    maps: Path | None = None
    raw_size: Size | None = None
    settings: ComparisonSettings = field(default_factory=ComparisonSettings)


@dataclass(frozen=True, slots=True)
class Published:
    """What upstream published, by path, and how it was made."""

    spec: ReplaySpec
    files: Mapping[str, bytes]


@dataclass(frozen=True, slots=True)
class Request:
    """An evaluation: of which model, by which recipe, and what is wanted of it."""

    recipe: str
    model: ModelFile
    published: Published | None = None
    compared: Compared | None = None

    def __post_init__(self) -> None:
        if self.published is None and self.compared is None:
            raise UsageError("there is nothing to replay, and nothing to compare: give --media")


@dataclass(frozen=True, slots=True)
class Evaluated:
    """What was written, and what the replay measured."""

    document: Evaluation
    replay: ReplayReport | None

    def to_json(self) -> JsonObject:
        """Return the document as JSON."""
        return parse_json_object(self.document.encode(), "the evaluation")

    def require(self) -> None:
        """Raise `GateError` where the evaluation did not pass, naming what is worst."""
        if self.replay is not None:
            self.replay.require()
        comparison = self.document.comparison
        if comparison is not None and comparison.failed:
            first = comparison.failed[0]
            raise GateError(
                f"{len(comparison.failed)} runs failed, the first of {first.medium} as "
                f"{first.way}: {first.reason}"
            )


def evaluate(request: Request, out: Path, progress: Progress) -> Evaluated:
    """Measure what is asked for and write the report into `out`, whole or not at all.

    Raises `InputError` for what cannot be read. Whether it passed is for the caller to see.
    """
    earlier = find_earlier(out)
    report = run_published(request, progress)
    with staging_directory(out) as staged:
        comparison = run_comparison(request, staged / PICTURES, progress)
        evaluation = describe(request, report, comparison)
        write_whole(staged / PAGE, render(evaluation, staged / PICTURES))
        write_whole(staged / DOCUMENT, evaluation.encode())
        if earlier is not None:
            remove_tree(earlier)
        install_files(staged, out, last=DOCUMENT)
    return Evaluated(evaluation, report)


def find_earlier(out: Path) -> Path | None:
    """Find the pictures of an earlier report, to be removed; raises `InputError` for anything else.

    What has their name and was not written by a report is somebody's own.
    """
    place = out / PICTURES
    if not lexists(place):
        return None
    ours = (out / DOCUMENT).is_file() and place.is_dir() and not place.is_symlink()
    if not ours or any(not (p.suffix == ".png" and p.is_file()) for p in place.iterdir()):
        raise InputError(
            f"{place} is in the way, and no report's pictures", hint="choose another --out"
        )
    return place


def run_published(request: Request, progress: Progress) -> ReplayReport | None:
    """Replay what upstream published, where that is asked for."""
    published = request.published
    if published is None:
        return None
    with progress.stage("replay"):
        return run_replay(request.model.path, published.spec, published.files, progress)


def run_comparison(request: Request, pictures: Path, progress: Progress) -> Comparison | None:
    """Compare, where that is asked for; everything is opened before anything is run."""
    compared = request.compared
    if compared is None:
        return None
    with progress.stage("media"):
        media = find_media(compared.media, compared.raw_size)
        masks = pair_masks(compared.masks, media) if compared.masks else {}
        for medium in media:
            medium.check()
    files = {"candidate": request.model}
    if compared.incumbent is not None:
        files["incumbent"] = compared.incumbent
    networks = {name: Network.open(file.path, file.input_name) for name, file in files.items()}
    with progress.stage("compare"):
        keeper = Keeper(pictures, compared.maps)
        comparison = Comparison(networks, compared.settings, keeper.keep)
        comparison.run(media, masks, progress)
    return comparison


def describe(
    request: Request, report: ReplayReport | None, comparison: Comparison | None
) -> Evaluation:
    """Put the document together."""
    compared = describe_comparison(comparison) if comparison else None
    replay = (
        describe_replay(report, request.published.spec) if report and request.published else None
    )
    incumbent = request.compared.incumbent if request.compared else None
    return Evaluation(
        schema=SCHEMA,
        recipe=request.recipe,
        passed=(report is None or report.passed) and not (compared and compared.failed),
        model=describe_file(request.model),
        incumbent=describe_file(incumbent) if incumbent else None,
        replay=replay,
        comparison=compared,
        measured=describe_runs(comparison.runs) if comparison else Measured(),
    )


def describe_file(file: ModelFile) -> EvaluatedModel:
    """Describe a model by its bytes."""
    return describe_model(file.path.name, Sha256.of_file(file.path), file.input_name)
