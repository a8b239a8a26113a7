"""The shape of a recipe, and nothing about any one model."""

import re
from dataclasses import dataclass

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
from release_tool.recipes.license import LicensePin
from release_tool.recipes.replay import ReplaySpec

SCHEMA_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")
METADATA_PREFIX = re.compile(r"([A-Za-z0-9_-]+\.){0,8}")


@dataclass(frozen=True, slots=True)
class UpstreamPin:
    """The upstream project, fixed in advance: which commit, which files, which bytes."""

    repo: str
    commit: CommitId
    module_path: str
    module_sha256: Sha256
    class_name: str

    def __post_init__(self) -> None:
        check_inner_path(self.module_path)
        if not self.class_name.isidentifier():
            raise InputError(f"not a class name: {self.class_name!r}")


@dataclass(frozen=True, slots=True)
class CheckpointPin:
    """The checkpoint, fixed in advance; `path` is upstream's name for it, `tensors` its count.

    `tensors` counts the float32 entries of the state dict, those that become initializers.
    `sources` are addresses to try in this order, upstream's own first; the digest alone decides.
    """

    path: str
    sha256: Sha256
    tensors: int
    sources: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        check_inner_path(self.path)


@dataclass(frozen=True, slots=True)
class GraphSpec:
    """The interface of the exported model and the limits that its consumer sets.

    Tensors are float32 NCHW with dynamic H and W: `input_name` [1, `input_channels`, H, W] to
    `output_name` [1, 1, H, W]. `height` and `width` are the pixels of the example that is traced.
    `selected_output` is the index into the tuple that upstream's `forward` returns.
    `skeletons` maps a toolchain, such as `torch 2.13.0`, to the digest of the only graph that it
    may produce; an empty mapping pins nothing.
    """

    opset: int
    ir_version: int
    input_name: str
    input_channels: int
    output_name: str
    selected_output: int
    height: int
    width: int
    operators: frozenset[str]
    max_model_bytes: int
    max_loops: int
    max_subgraph_depth: int
    skeletons: tuple[tuple[str, Sha256], ...] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """A picture in upstream's tree, pinned like its module."""

    path: str
    sha256: Sha256

    def __post_init__(self) -> None:
        check_inner_path(self.path)


@dataclass(frozen=True, slots=True)
class ParityInput:
    """One input of the parity gate, `height` by `width` pixels: a picture scaled to it, or drawn.

    One that is `full` is used on demand only, because PyTorch in float64 takes minutes for it.
    """

    height: int
    width: int
    picture: Picture | None = None
    full: bool = False

    def __post_init__(self) -> None:
        if min(self.height, self.width) < 1:
            raise InputError(f"an input of {self.height}x{self.width} pixels has no pixel")


@dataclass(frozen=True, slots=True)
class ParityBounds:
    """How far ONNX Runtime may be from PyTorch in float64.

    On each input its largest absolute error may be `error_ratio` times that of PyTorch in float32,
    and its mean one `mean_error_ratio` times, each plus `error_floor` for networks that are exact.
    The mean varies less, so it sees smaller changes. So that agreement means something, at least
    `unsaturated_share` of all outputs must lie between 0.05 and 0.95, and the largest output be
    `least_range` above the smallest.
    """

    # Over some 150 inputs of trained, random and synthetic weights the largest error's ratio was
    # 0.2 to 1.6, over 20 the mean error's 0.8 to 1.3 (x86-64).
    error_ratio: float = 3.0
    mean_error_ratio: float = 2.0
    # A grey level is 4e-3. Weights that have learnt nothing leave PyTorch itself 6e-8 off.
    error_floor: float = 1e-7
    # The trained network leaves 2 to 30 % of a picture's map undecided.
    unsaturated_share: float = 0.01
    least_range: float = 0.01


@dataclass(frozen=True, slots=True)
class ParitySpec:
    """The inputs on which ONNX Runtime is compared with PyTorch, and the bounds that hold there."""

    inputs: tuple[ParityInput, ...]
    bounds: ParityBounds = ParityBounds()

    def __post_init__(self) -> None:
        if all(each.full for each in self.inputs):
            raise InputError("the parity gate needs an input that is used in every export")

    def chosen(self, *, full: bool) -> tuple[ParityInput, ...]:
        """Return the inputs of a default or of a full comparison."""
        return tuple(each for each in self.inputs if full or not each.full)

    @property
    def pictures(self) -> tuple[Picture, ...]:
        """Every picture that is needed, once."""
        return tuple(dict.fromkeys(each.picture for each in self.inputs if each.picture))


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
    """One pinned, complete description of an export and of the release it becomes."""

    name: str
    model_id: str
    tag: str
    upstream: UpstreamPin
    license: LicensePin
    checkpoint: CheckpointPin
    graph: GraphSpec
    parity: ParitySpec
    names: ReleaseNames
    formats: Formats
    attribution: Attribution
    publisher: Publisher
    replay: ReplaySpec | None = None

    def skeleton_for(self, torch_version: str) -> Sha256 | None:
        """Return the pinned skeleton for an export made with this torch, if there is one."""
        return dict(self.graph.skeletons).get(f"torch {torch_version.partition('+')[0]}")
