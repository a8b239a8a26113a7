"""`evaluation.html`: the document and its pictures as one file that loads nothing and runs nothing.

Every number comes from the document; this chooses what stands at the top and what is embedded.
"""

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any
from urllib.parse import quote

import jinja2

from release_tool.core.files import read_limited
from release_tool.evaluate.report.document import EvaluatedComparison, Evaluation, PairResult
from release_tool.evaluate.report.keeping import PICTURE

EMBEDDED_BYTES = 3 * 1024 * 1024
"""Of PNGs, the worst media first; what is over stays beside the page and is linked."""
MAX_PNG_BYTES = 4 * 1024 * 1024

PNG_SIZE = slice(16, 24)
"""Where a PNG's header has width and height (PNG specification, 11.2.2)."""

TIPS = {
    "mean_error": ("mean error", "mean absolute difference of the two maps"),
    "iou": ("IoU", "overlap of what is salient from 0.5 on"),
    "block_iou_16_macro": ("blocks 16", "overlap of salient blocks of 16x16, mean over the media"),
    "block_iou_16_micro": ("16, all", "overlap of salient blocks of 16x16, over all blocks"),
    "block_iou_64_macro": ("blocks 64", "overlap of salient blocks of 64x64, mean over the media"),
    "block_iou_64_micro": ("64, all", "overlap of salient blocks of 64x64, over all blocks"),
    "qp_equal_share": ("QP equal", "share of 64x64 blocks with the same QP offset"),
    "qp_largest_difference": ("QP most", "largest difference of two QP offsets"),
    "qp_mean_difference": ("QP mean", "mean difference of QP offsets"),
}
TRUTH = {
    "s_measure": ("S-measure against the masks", True),
    "e_measure": ("E-measure against the masks", True),
    "weighted_f": ("weighted F against the masks", True),
    "iou": ("IoU with the masks", True),
    "mean_error": ("mean error against the masks", False),
}
TRAINED = "trained-colour"


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table for a decision."""

    title: str
    way: str
    tip: str
    candidate: float
    incumbent: float | None
    higher: bool

    @property
    def gain(self) -> float:
        """How much better the candidate is; negative where it is worse."""
        if self.incumbent is None:
            return self.candidate if self.higher else -self.candidate
        return (self.candidate - self.incumbent) * (1 if self.higher else -1)

    @property
    def better(self) -> str:
        """Name the better one."""
        return "candidate" if self.gain > 0 else "incumbent" if self.gain < 0 else "equal"


def render(evaluation: Evaluation, pictures: Path) -> bytes:
    """Write the page; `pictures` holds the small PNGs that the comparison kept."""
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "shown": shown,
        "title_of": lambda name: TIPS[name][0],
        "tip_of": lambda name: TIPS[name][1],
    }
    template = (
        files("release_tool.evaluate.report").joinpath("page.html").read_text(encoding="utf-8")
    )
    comparison, replay = evaluation.comparison, evaluation.replay
    values: dict[str, Any] = {
        "document": evaluation,
        "replayed": sorted(replay.pictures, key=lambda e: -e.mean_error) if replay else [],
        "decision": [],
    }
    if comparison is not None:
        values |= compared_values(evaluation, comparison, pictures)
    return environment.from_string(template).render(values).encode()


def compared_values(
    evaluation: Evaluation, comparison: EvaluatedComparison, pictures: Path
) -> dict[str, Any]:
    """Choose what the page shows of a comparison."""
    sizes: dict[str, dict[str, Any]] = {}
    for run in sorted(evaluation.measured.runs, key=lambda run: -run.height * run.width):
        sizes.setdefault(f"{run.width}x{run.height}", {})[run.model] = run
    summaries = [way.summary for way in comparison.ways]
    return {
        "decision": sorted(decision_rows(comparison), key=lambda row: row.gain),
        "pairs": sorted((p for p in comparison.pairs if p.summary), key=lambda p: p.summary["iou"]),
        "columns": list(TIPS),
        "aggregate_names": sorted({n for s in summaries for n in s if n.startswith("saliency")}),
        "models": ["candidate", *(["incumbent"] if evaluation.incumbent else [])],
        "runs": list(sizes.items()),
        "shown": list(show_media(comparison, pictures)),
    }


def decision_rows(comparison: EvaluatedComparison) -> Iterator[Row]:
    """Yield what speaks for or against the candidate: by the masks, and by its own best map."""
    ways = {(way.model, way.variant): way.summary for way in comparison.ways}
    agreed = {(pair.one, pair.other): pair.summary for pair in comparison.pairs}
    for variant in comparison.variants:
        for name, (title, higher) in TRUTH.items():
            if name in ways["candidate", variant]:
                other = ways.get(("incumbent", variant), {}).get(name)
                own = ways["candidate", variant][name]
                yield Row(title, variant, f"{title}, run as {variant}", own, other, higher)
        found = [
            agreed.get((f"{model}/{variant}", f"{model}/{TRAINED}"), {}).get("iou")
            for model in ("candidate", "incumbent")
        ]
        if found[0] is not None:
            title, tip = (
                f"IoU with its own {TRAINED} map",
                "overlap with the map at the trained size",
            )
            yield Row(title, variant, f"{tip}, run as {variant}", found[0], found[1], higher=True)


def headline(comparison: EvaluatedComparison) -> PairResult | None:
    """Return the pair that media are sorted by: both models run alike, or the first two ways."""
    pairs = [pair for pair in comparison.pairs if pair.media]
    both = [pair for pair in pairs if pair.other.startswith("incumbent/")
            and pair.one.startswith("candidate/")]  # fmt: skip
    return next(iter(both or pairs), None)


def show_media(comparison: EvaluatedComparison, pictures: Path) -> Iterator[dict[str, Any]]:
    """Yield the media, the worst first, with their pictures embedded as long as there is room."""
    pair = headline(comparison)
    measured = pair.media if pair else {}
    room = EMBEDDED_BYTES
    sizes = {medium.name: f"{medium.width}x{medium.height}" for medium in comparison.media}
    names = sorted(sizes, key=lambda name: measured.get(name, {}).get("iou", 1.0))
    for name in names:
        kept = list(list_pictures(pictures, Path(name).stem, comparison))
        contents = [read_limited(path, MAX_PNG_BYTES) for _, path in kept]
        fits = sum(map(len, contents)) <= room
        room -= sum(map(len, contents)) if fits else 0
        yield {
            "name": name,
            "size": sizes[name],
            "pair": f"{pair.one} and {pair.other}" if pair else "one way alone",
            "iou": measured.get(name, {}).get("iou"),
            "mean_error": measured.get(name, {}).get("mean_error"),
            "images": [
                embed(title, content) for (title, _), content in zip(kept, contents, strict=True)
            ]
            if fits
            else [],
            "links": [
                {"title": title, "address": f"{pictures.name}/{quote(path.name)}"}
                for title, path in kept
            ],
        }


def list_pictures(
    pictures: Path, stem: str, comparison: EvaluatedComparison
) -> Iterator[tuple[str, Path]]:
    """Yield title and place of each PNG that was kept of a medium, in the order to look at them."""
    ways = [(way.model, way.variant) for way in comparison.ways]
    kinds = [
        (PICTURE, "picture"),
        ("difference", "difference"),
        *((f"{model}.{variant}", f"{model}, {variant}") for model, variant in ways),
        *((f"{model}.{variant}.blocks", f"{model}, {variant}, blocks") for model, variant in ways),
    ]
    for kind, title in kinds:
        path = pictures / f"{stem}.{kind}.png"
        if path.exists():
            yield title, path


def embed(title: str, content: bytes) -> dict[str, Any]:
    """Describe an image of the page itself."""
    header = content[PNG_SIZE]
    return {
        "title": title,
        "base64": base64.b64encode(content).decode(),
        "width": int.from_bytes(header[:4], "big"),
        "height": int.from_bytes(header[4:], "big"),
    }


def shown(value: float | None, digits: int = 4) -> str:
    """Write a number as people read it."""
    if value is None:
        return "-"
    return str(value) if isinstance(value, int) else f"{value:.{digits}g}"
