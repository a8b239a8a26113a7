"""The files of a release: their roles, names, limits and duties, in the one table of them.

A file is added to releases by a row here and by the stage that makes it. Whoever names, fetches,
uploads, signs, verifies or installs files goes through these rows.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from release_tool.core.limits import (
    BUNDLE_LIMIT_BYTES,
    EVALUATION_LIMIT_BYTES,
    MODEL_LIMIT_BYTES,
    RECIPE_LIMIT_BYTES,
    TEXT_LIMIT_BYTES,
)

MODEL_SUFFIX = ".onnx"
BUNDLE_SUFFIX = ".sigstore.json"


class Names(Protocol):
    """The names that a recipe chooses; all others follow from the model's."""

    @property
    def model(self) -> str:
        """The model's file."""

    @property
    def license(self) -> str:
        """The licence asset."""

    @property
    def notice(self) -> str:
        """Upstream's NOTICE."""


@dataclass(frozen=True, slots=True)
class FileRole:
    """One file of a release.

    `name` is made of the model's name, its name without `.onnx` (`stem`), and the recipe's names.
    A recipe limits its model further. `made_by` is the stage that makes the file. One that is
    `optional` may be missing from a whole release, unless the statement lists it; every other one
    may not. A `subject` is listed in the statement, which cannot list itself; of one that is
    `stated` the manifest has the digest too.
    """

    role: str
    name: str
    limit_bytes: int
    made_by: str
    optional: bool = False
    subject: bool = True
    stated: bool = False

    @property
    def follows_model(self) -> bool:
        """Tell whether the name is made of the model's alone, so that no recipe is needed."""
        return "{model}" in self.name or "{stem}" in self.name

    def beside(self, model: str) -> str:
        """Return the name of a file that follows the model's."""
        return self.name.format(model=model, stem=model.removesuffix(MODEL_SUFFIX))

    def name_in(self, names: Names, model: str | None = None) -> str:
        """Return the file's name, be it beside a model that has another name than the release's."""
        beside = model or names.model
        return self.name.format(
            model=beside,
            stem=beside.removesuffix(MODEL_SUFFIX),
            license=names.license,
            notice=names.notice,
        )


MODEL = FileRole("model", "{model}", MODEL_LIMIT_BYTES, "export", stated=True)
BUNDLE = FileRole("bundle", f"{{model}}{BUNDLE_SUFFIX}", BUNDLE_LIMIT_BYTES, "sign")
PROVENANCE = FileRole(
    "provenance", "{stem}.provenance.sigstore.json", BUNDLE_LIMIT_BYTES, "sign", subject=False
)
MANIFEST = FileRole("manifest", "{stem}.manifest.json", TEXT_LIMIT_BYTES, "export")
BOM = FileRole("bom", "{stem}.cdx.json", TEXT_LIMIT_BYTES, "export", optional=True)
RECIPE = FileRole("recipe", "{stem}.recipe.toml", RECIPE_LIMIT_BYTES, "export")
LICENSE = FileRole("license", "{license}", TEXT_LIMIT_BYTES, "export", stated=True)
NOTICE = FileRole("notice", "{notice}", TEXT_LIMIT_BYTES, "export", optional=True, stated=True)
EVALUATION = FileRole(
    "evaluation", "{stem}.evaluation.json", EVALUATION_LIMIT_BYTES, "evaluate", optional=True
)
REPORT = FileRole(
    "report", "{stem}.evaluation.html", EVALUATION_LIMIT_BYTES, "evaluate", optional=True
)
TEST_RESULT = FileRole(
    "test-result", "{stem}.evaluation.sigstore.json", BUNDLE_LIMIT_BYTES, "sign", optional=True
)

FILES = (
    MODEL,
    BUNDLE,
    PROVENANCE,
    MANIFEST,
    BOM,
    RECIPE,
    LICENSE,
    NOTICE,
    EVALUATION,
    REPORT,
    TEST_RESULT,
)
"""Every file, in the order in which a verdict lists them."""


def beside_the_model() -> Iterator[FileRole]:
    """Yield the files that speak of a model beside its bundle, which is found in its own way."""
    return (row for row in FILES if row not in (MODEL, BUNDLE))


def file_names(names: Names) -> dict[str, str]:
    """Map each role to the name that its file has in a release."""
    return {row.role: row.name_in(names) for row in FILES}


def file_roles(names: Names) -> dict[str, str]:
    """Map the name of each file of a release to its role."""
    return {name: role for role, name in file_names(names).items()}


def optional_names(names: Names) -> set[str]:
    """Return the names of the files that a release may do without."""
    return {row.name_in(names) for row in FILES if row.optional}


def signature_names(names: Names) -> list[str]:
    """Return the names of the files that signing makes, the model's bundle first."""
    return [row.name_in(names) for row in FILES if row.made_by == "sign"]


def limits(names: Names, max_model_bytes: int) -> dict[str, int]:
    """Map the files' names to the bytes that each may have; the model, which is large, last."""
    small = {row.name_in(names): row.limit_bytes for row in FILES if row is not MODEL}
    return {**small, names.model: max_model_bytes}
