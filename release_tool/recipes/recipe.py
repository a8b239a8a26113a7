"""The shape of a recipe, and nothing about any one model."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.core.names import (
    CommitId,
    RepoSlug,
    check_asset_name,
    check_inner_path,
    check_number,
)
from release_tool.core.refs import check_ref
from release_tool.recipes import layout
from release_tool.recipes.contract import ContractSpec
from release_tool.recipes.license import LicensePin
from release_tool.recipes.network import AdapterPin, InputSpec, NetworkCall, OutputSpec, axes_of
from release_tool.recipes.parity import ParitySpec
from release_tool.recipes.replay import ReplaySpec
from release_tool.recipes.working import WorkingSize

SCHEMA_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
METADATA_PREFIX = re.compile(r"([A-Za-z0-9_-]+\.){0,8}")


@dataclass(frozen=True, slots=True)
class UpstreamPin:
    """The upstream project, fixed in advance: which commit, which files, which bytes.

    `modules` are the files that may be executed, by their path in the checkout. What they import
    is looked for under `root`: the top of the checkout, or `src` where all of them lie there.
    `distributions` are the installed packages that they may import beside torch, with versions.
    """

    repo: str
    commit: CommitId
    modules: tuple[tuple[str, Sha256], ...]
    root: str | None = None
    distributions: tuple[tuple[str, str], ...] = ()

    def __post_init__(self) -> None:
        paths = [path for path, _ in self.modules]
        for path in (*paths, *([self.root] if self.root else ())):
            check_inner_path(path)
        if not paths:
            raise InputError("upstream has no module that may be executed")
        for path in paths:
            if not path.endswith(".py") or not path.startswith(self.folder):
                raise InputError(f"{path[:120]!r} is no module under {self.folder or 'the top'}")

    @property
    def folder(self) -> str:
        """Where packages begin, as the beginning of a path: empty, or with a slash at its end."""
        if self.root is not None:
            return f"{self.root.strip('/')}/" if self.root.strip("./") else ""
        paths = [path for path, _ in self.modules]
        inner = all(path.startswith("src/") for path in paths) and "src/__init__.py" not in paths
        return "src/" if inner else ""

    def path_of(self, module: str) -> str | None:
        """Return the path of a module by its dotted name, or None where none is pinned."""
        place = self.folder + module.replace(".", "/")
        paths = dict(self.modules)
        return next((p for p in (f"{place}.py", f"{place}/__init__.py") if p in paths), None)


@dataclass(frozen=True, slots=True)
class StateDictPlace:
    """Where the state dict lies in a checkpoint, and what every name of it begins with.

    `key` is a dotted path of keys; without one there must be one state dict only. Names that do not
    begin with `prefix` are no part of it; without one what all names have from wrappers is cut off.
    """

    key: str | None = None
    prefix: str | None = None


@dataclass(frozen=True, slots=True)
class CheckpointPin:
    """The checkpoint, fixed in advance; `path` is upstream's name for it, `tensors` its count.

    `tensors` counts the entries of the state dict but for BatchNorm's counters; of these `unused`
    are the ones that the network does not use, and all others become initializers.
    `sources` are addresses to try in this order, upstream's own first; the digest alone decides.
    """

    path: str
    sha256: Sha256
    tensors: int
    sources: tuple[str, ...] = ()
    unused: frozenset[str] = frozenset()
    state_dict: StateDictPlace = StateDictPlace()

    def __post_init__(self) -> None:
        check_inner_path(self.path)


@dataclass(frozen=True, slots=True)
class Publisher:
    """Who releases the model: the workflow whose certificate a consumer believes by default.

    `refs` are those that may sign, as `core.refs` spells them. `owner_id` and `repo_id` are
    GitHub's numbers, which stay when a name changes; with both the numbers decide, not the names.
    """

    repo: RepoSlug
    workflow: str
    refs: tuple[str, ...]
    issuer: str
    owner_id: str | None = None
    repo_id: str | None = None

    def __post_init__(self) -> None:
        if not self.refs:
            raise InputError("a publisher has no ref that may sign")
        for ref in self.refs:
            check_ref(ref)
        for number in (self.owner_id, self.repo_id):
            check_number(number)


@dataclass(frozen=True, slots=True)
class ReleaseNames:
    """The names of a release's files, and the name under which a consumer installs the model."""

    model: str
    license: str
    notice: str
    installed_model: str

    def __post_init__(self) -> None:
        for name in (self.model, self.license, self.notice, self.installed_model):
            check_asset_name(name)
        if not self.model.endswith(layout.MODEL_SUFFIX):
            raise InputError(f"a model's name ends in .onnx, not {self.model!r}")

    @property
    def bundle(self) -> str:
        """The bundle that signs the model itself."""
        return layout.BUNDLE.name_in(self)

    @property
    def manifest(self) -> str:
        """The JSON sidecar."""
        return layout.MANIFEST.name_in(self)

    @property
    def provenance(self) -> str:
        """The DSSE bundle whose statement has every other file as a subject."""
        return layout.PROVENANCE.name_in(self)


@dataclass(frozen=True, slots=True)
class Formats:
    """How the consumer spells what travels with the model.

    `manifest_schema` names the manifest's form, `metadata_prefix` opens each key of the model's own
    metadata.
    """

    manifest_schema: str
    metadata_prefix: str

    def __post_init__(self) -> None:
        if not SCHEMA_NAME.fullmatch(self.manifest_schema):
            raise InputError(f"not a name of a schema: {self.manifest_schema[:80]!r}")
        if not METADATA_PREFIX.fullmatch(self.metadata_prefix):
            raise InputError(f"not a prefix of metadata keys: {self.metadata_prefix[:80]!r}")


@dataclass(frozen=True, slots=True)
class Attribution:
    """Whom the licence asset credits, as every licence asks, and the paper if there is one."""

    title: str
    copyright: str
    paper: str = ""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One pinned, complete description of an export and of the release it becomes.

    `axes` has for each named axis the size that is traced. `skeletons` maps a toolchain, such as
    `torch 2.13.0`, to the digest of the only graph that it may produce; an empty one pins nothing.
    `trained_on` names the data sets whose masks say nothing of the model, for it has seen them.
    `place` is the directory of the recipe's file.
    """

    name: str
    model_id: str
    tag: str
    upstream: UpstreamPin
    license: LicensePin
    network: NetworkCall
    checkpoint: CheckpointPin
    inputs: tuple[InputSpec, ...]
    outputs: tuple[OutputSpec, ...]
    contract: ContractSpec
    parity: ParitySpec
    names: ReleaseNames
    formats: Formats
    attribution: Attribution
    publisher: Publisher
    replay: ReplaySpec | None = None
    working_size: WorkingSize | None = None
    trained_on: tuple[str, ...] = ()
    axes: tuple[tuple[str, int], ...] = ()
    adapter: AdapterPin | None = None
    skeletons: tuple[tuple[str, Sha256], ...] = ()
    place: Path | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not self.inputs or not self.outputs:
            raise InputError("a model has an input and an output")
        names = [*(each.name for each in self.inputs), *(each.name for each in self.outputs)]
        twice = [name for name in names if names.count(name) > 1]
        if twice:
            raise InputError(f"two inputs or outputs are called {twice[0]!r}")
        check_axes(self.inputs, "axes", self.axes)
        for number, sample in enumerate(self.parity.samples):
            check_axes(self.inputs, f"parity.samples[{number}].axes", sample.axes)
        if self.working_size is not None:
            self.working_size.check_opset(self.contract.opset)
            if len(self.inputs) != 1 or len(self.inputs[0].shape) != 4:
                raise InputError("a working size is of one input, pictures [1, C, H, W]")
        if self.upstream.path_of(self.network.module) is None:
            raise InputError(f"upstream.modules has no file of {self.network.module}")

    @property
    def module_path(self) -> str:
        """The path of the module that the network is made by."""
        return str(self.upstream.path_of(self.network.module))

    def skeleton_for(self, torch_version: str) -> Sha256 | None:
        """Return the pinned skeleton for an export made with this torch, if there is one."""
        return dict(self.skeletons).get(f"torch {torch_version.partition('+')[0]}")


def check_axes(inputs: Iterable[InputSpec], where: str, sizes: Iterable[tuple[str, int]]) -> None:
    """Check that there is a size for every named axis of the inputs, and no other."""
    wanted = set(axes_of(inputs))
    wrong = sorted(wanted.symmetric_difference(name for name, _ in sizes))
    if wrong:
        raise InputError(
            f"{where}: the inputs have the axes {', '.join(sorted(wanted)) or 'none'}, and "
            f"{wrong[0]} is {'missing' if wrong[0] in wanted else 'none of them'}"
        )
