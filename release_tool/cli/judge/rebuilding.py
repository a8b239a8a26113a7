"""Exports a model again and compares the bytes; loaded only when `verify` is asked for it."""

import os
from dataclasses import dataclass

from release_tool.chain.export import export_release
from release_tool.core.errors import CannotVerify, NotVerified, UsageError
from release_tool.core.files import temporary_directory
from release_tool.core.progress import Progress
from release_tool.gates.difference import find_difference
from release_tool.provenance.manifest import Manifest
from release_tool.recipes.recipe import Recipe
from release_tool.upstream.sources import Source
from release_tool.verify.evidence import Evidence


@dataclass(frozen=True, slots=True)
class Rebuild:
    """The sources that a model is made from again."""

    source: Source
    recipe: Recipe
    progress: Progress

    def prove(self, evidence: Evidence) -> dict[str, str]:
        """Export again and require the very bytes; return the toolchain that gave them.

        Raises `NotVerified` where the same toolchain gives other bytes, and `CannotVerify` where
        the release was made by another toolchain, which alone can tell.
        """
        if evidence.path is None:
            raise UsageError("a rebuild is compared with the model's file, not with a digest")
        with temporary_directory() as place:
            made = export_release(
                self.source,
                self.recipe,
                place,
                os.environ,
                replay=False,
                progress=self.progress,
            )
            rebuilt = place / self.recipe.names.model
            difference = find_difference(rebuilt, evidence.path)
        toolchain = made.release.manifest.toolchain
        if difference is None:
            return toolchain
        stated = stated_toolchain(evidence)
        changed = [
            f"{part} {stated.get(part, 'none')} (here {toolchain.get(part, 'none')})"
            for part in sorted({*stated, *toolchain})
            if stated and stated.get(part) != toolchain.get(part)
        ]
        text = f"not reproduced: the first difference is at {difference}"
        if changed or not stated:
            made_with = ", ".join(changed) or "a toolchain that no manifest beside it names"
            raise CannotVerify(
                f"{text}; it was made with {made_with}", hint="repeat it with that toolchain"
            )
        raise NotVerified(text, hint="the toolchain is the same, so the inputs were not")


def stated_toolchain(evidence: Evidence) -> dict[str, str]:
    """Return the toolchain that the verified manifest states, or nothing without a manifest."""
    sidecars = evidence.sidecars
    if sidecars is None or sidecars.manifest is None:
        return {}
    return Manifest.parse(sidecars.manifest.data, None).toolchain
