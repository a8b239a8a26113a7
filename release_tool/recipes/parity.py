"""What a recipe says of the parity gate: on which inputs, and within which bounds."""

from dataclasses import dataclass

from release_tool.core.digest import Sha256
from release_tool.core.errors import InputError
from release_tool.core.names import check_inner_path


@dataclass(frozen=True, slots=True)
class SampleFile:
    """A file in upstream's tree, pinned like its modules: a picture, or an array as `.npy`."""

    path: str
    sha256: Sha256

    def __post_init__(self) -> None:
        check_inner_path(self.path)


@dataclass(frozen=True, slots=True)
class Sample:
    """One set of inputs: a number for each named axis, and a file for inputs that are not drawn.

    One that is `full` is used on demand only, because PyTorch in float64 takes minutes for it.
    """

    axes: tuple[tuple[str, int], ...] = ()
    files: tuple[tuple[str, SampleFile], ...] = ()
    full: bool = False

    def __post_init__(self) -> None:
        for axis, size in self.axes:
            if not 0 < size < 2**31:
                raise InputError(f"a sample has {size} for the axis {axis}")

    @property
    def label(self) -> str:
        """Say what the sample is, such as `girl.png at 37x53` or `drawn at 32x32`."""
        names = [file.path.rpartition("/")[2] for _, file in self.files] or ["drawn"]
        sizes = "x".join(str(size) for _, size in self.axes)
        return ", ".join(names) + (f" at {sizes}" if sizes else "")


@dataclass(frozen=True, slots=True)
class ParityBounds:
    """How far ONNX Runtime may be from PyTorch in float64.

    On each sample an output's largest absolute error may be `error_ratio` times that of PyTorch as
    it is, and its mean one `mean_error_ratio` times, each plus `error_floor` for networks that are
    exact. The mean varies less, so it sees smaller changes. So that agreement means something, the
    largest value of each output of floats must be `least_range` above the smallest, and at least
    `unsaturated_share` of all such values lie between 0.05 and 0.95 (for maps that end in a
    sigmoid).
    """

    # Over some 150 inputs of trained, random and synthetic weights the largest error's ratio was
    # 0.2 to 1.6, over 20 the mean error's 0.8 to 1.3 (x86-64).
    error_ratio: float = 3.0
    mean_error_ratio: float = 2.0
    # A grey level is 4e-3. Weights that have learnt nothing leave PyTorch itself 6e-8 off.
    error_floor: float = 1e-7
    unsaturated_share: float = 0.0
    least_range: float = 0.01


@dataclass(frozen=True, slots=True)
class ParitySpec:
    """The inputs on which ONNX Runtime is compared with PyTorch, and the bounds that hold there."""

    samples: tuple[Sample, ...]
    bounds: ParityBounds = ParityBounds()

    def __post_init__(self) -> None:
        if all(each.full for each in self.samples):
            raise InputError("the parity gate needs a sample that is used in every export")

    def chosen(self, *, full: bool) -> tuple[Sample, ...]:
        """Return the samples of a default or of a full comparison."""
        return tuple(each for each in self.samples if full or not each.full)

    @property
    def files(self) -> tuple[SampleFile, ...]:
        """Every file that is needed, once."""
        return tuple(dict.fromkeys(file for each in self.samples for _, file in each.files))
