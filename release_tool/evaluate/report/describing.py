"""Turns what was measured into the document: values of several modules into one."""

from collections.abc import Iterable
from statistics import median

from release_tool.core.digest import Sha256
from release_tool.evaluate.agreement import mean, summarise
from release_tool.evaluate.compare import Comparison, MediumResult, NetworkRun, Way
from release_tool.evaluate.replay import ReplayReport
from release_tool.evaluate.report.document import (
    EvaluatedComparison,
    EvaluatedMedium,
    EvaluatedModel,
    EvaluatedReplay,
    Measured,
    MeasuredRuns,
    Numbers,
    Omission,
    PairResult,
    ReplayedPicture,
    WayResult,
)
from release_tool.recipes.replay import ReplaySpec

DIGITS = 6


def describe_replay(report: ReplayReport, spec: ReplaySpec) -> EvaluatedReplay:
    """Describe a replay: what was done, what was demanded, what was measured."""
    bounds = report.bounds
    return EvaluatedReplay(
        passed=report.passed,
        source=spec.source,
        preparation=spec.preparation,
        restoration=spec.restoration,
        bounds={
            "mean_error": bounds.mean_error,
            "iou": bounds.iou,
            "lossless_levels": float(bounds.lossless_levels),
        },
        mean_error=rounded(report.mean_error),
        pictures=tuple(
            ReplayedPicture(
                picture=each.picture,
                mean_error=rounded(each.mean_error),
                iou=rounded(each.iou),
                levels=each.levels,
                is_lossless=each.is_lossless,
            )
            for each in report.pictures
        ),
    )


def describe_comparison(comparison: Comparison) -> EvaluatedComparison:
    """Describe a comparison that was run."""
    settings, results = comparison.settings, comparison.results
    height, width = settings.trained
    return EvaluatedComparison(
        trained_height=height,
        trained_width=width,
        strength=settings.strength,
        masks_from=settings.masks_from,
        variants=tuple(variant.name for variant in settings.variants),
        media=tuple(describe_medium(result) for result in results),
        ways=tuple(describe_way(way, results) for way in comparison.ways),
        pairs=tuple(describe_pair(pair, results) for pair in comparison.pairs),
        left_out=list_omissions((result, result.left_out) for result in results),
        failed=list_omissions((result, result.problems) for result in results),
    )


def describe_medium(result: MediumResult) -> EvaluatedMedium:
    """Describe a picture or a clip."""
    return EvaluatedMedium(
        name=result.medium.path.name,
        sha256=result.medium.digest.hex,
        kind="picture" if result.medium.is_picture else "clip",
        width=result.size[1],
        height=result.size[0],
        frames=result.frames,
        mask_sha256=result.mask,
    )


def describe_way(way: Way, results: list[MediumResult]) -> WayResult:
    """Describe what came out of one model run in one way."""
    aggregates = {
        each.medium.path.name: each.columns[way] for each in results if way in each.columns
    }
    truth = {each.medium.path.name: each.truth[way] for each in results if way in each.truth}
    flat = [
        {f"{column} ({name})": value for name, row in each.items() for column, value in row.items()}
        for each in aggregates.values()
    ]
    return WayResult(
        model="candidate" if way[0] == "candidate" else "incumbent",
        variant=way[1],
        summary=average(list(truth.values())) | average(flat),
        aggregates={
            medium: {name: all_rounded(row) for name, row in each.items()}
            for medium, each in aggregates.items()
        },
        truth={medium: all_rounded(row) for medium, row in truth.items()},
    )


def describe_pair(pair: tuple[Way, Way], results: list[MediumResult]) -> PairResult:
    """Describe how far two ways agree."""
    found = {
        each.medium.path.name: each.agreements[pair] for each in results if pair in each.agreements
    }
    one, other = pair
    return PairResult(
        one="/".join(one),
        other="/".join(other),
        summary=all_rounded(summarise(list(found.values()))) if found else {},
        media={name: all_rounded(each.numbers()) for name, each in found.items()},
    )


def list_omissions(found: Iterable[tuple[MediumResult, dict[Way, str]]]) -> tuple[Omission, ...]:
    """List what was not run."""
    return tuple(
        Omission(medium=result.medium.path.name, way="/".join(way), reason=reason)
        for result, reasons in found
        for way, reason in reasons.items()
    )


def describe_runs(runs: list[NetworkRun]) -> Measured:
    """Describe what runs took, by model and size."""
    groups: dict[tuple[str, tuple[int, int]], list[NetworkRun]] = {}
    for run in runs:
        groups.setdefault((run.model, run.size), []).append(run)
    return Measured(
        runs=tuple(
            MeasuredRuns(
                model=model,
                height=size[0],
                width=size[1],
                runs=len(group),
                seconds=round(median(run.cost.seconds for run in group), 4),
                memory_bytes=max(run.cost.memory_bytes for run in group),
            )
            for (model, size), group in groups.items()
        )
    )


def average(rows: list[Numbers]) -> Numbers:
    """Return the mean of each column."""
    return {name: rounded(mean(row[name] for row in rows)) for name in (rows[0] if rows else {})}


def all_rounded(row: Numbers) -> Numbers:
    """Round a row of numbers."""
    return {name: rounded(number) for name, number in row.items()}


def rounded(number: float) -> float:
    """Round a number to what a reader can use."""
    return round(float(number), DIGITS)


def describe_model(name: str, digest: Sha256, input_name: str) -> EvaluatedModel:
    """Describe a model that was run."""
    return EvaluatedModel(name=name, sha256=digest.hex, input=input_name)
