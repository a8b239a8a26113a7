"""How an evaluation looks on a terminal: the replay, what agrees with what, what a run takes."""

from pathlib import Path
from typing import TYPE_CHECKING

from release_tool.cli.state import BLANK, Row

if TYPE_CHECKING:
    from release_tool.evaluate.report.document import EvaluatedComparison, Measured
    from release_tool.evaluate.run import Evaluated

SHOWN = ("mean_error", "iou", "block_iou_16_macro", "block_iou_64_macro", "qp_equal_share")


def evaluation_rows(evaluated: "Evaluated", out: Path) -> list[Row]:
    """Say what was measured, the worst first."""
    document, replay = evaluated.document, evaluated.replay
    rows: list[Row] = []
    if replay is not None:
        rows.append(("replay", str(replay) if replay.passed else "does not hold"))
        rows += [("", str(each)) for each in replay.pictures]
    if document.comparison is not None:
        rows += comparison_rows(document.comparison)
    rows += measured_rows(document.measured)
    return [*rows, BLANK, ("report", str(out))]


def comparison_rows(comparison: "EvaluatedComparison") -> list[Row]:
    """Say how far each pair of ways agrees."""
    rows: list[Row] = [BLANK, ("compared", f"{len(comparison.media)} media")]
    for pair in sorted(comparison.pairs, key=lambda pair: pair.summary.get("iou", -1)):
        numbers = ", ".join(
            f"{name.replace('_', ' ')} {pair.summary[name]:.4g}"
            for name in SHOWN
            if name in pair.summary
        )
        rows.append((f"{pair.one} and {pair.other}", numbers or "no run of both"))
    for title, omissions in (("left out", comparison.left_out), ("failed", comparison.failed)):
        rows += [(title, f"{each.medium} as {each.way}: {each.reason}") for each in omissions]
    return rows


def measured_rows(measured: "Measured") -> list[Row]:
    """Say what a run takes at each size."""
    return [
        (
            f"{run.model} at {run.width}x{run.height}",
            f"{run.seconds:.2f} s, {run.memory_bytes / 2**20:.0f} MiB",
        )
        for run in measured.runs
    ]
