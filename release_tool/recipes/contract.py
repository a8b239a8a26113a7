"""What a model's consumer allows: named profiles of operators and limits, and departures from one.

Sources: the operator allowlist and the loader's limits of VMAFx/vmafx (libvmaf's DNN loader) for
`vmaf`; the operators of ai.onnx, as onnx itself lists them by opset, for `standard`.
"""

from dataclasses import dataclass

from release_tool.core.errors import InputError

MIB = 1024 * 1024
IR_VERSIONS = {17: 8, 18: 8, 19: 9, 20: 9, 21: 10}
"""For each opset that can be exported the IR version that PyTorch writes with it."""

VMAF = frozenset(
    """
    Identity Reshape Flatten Squeeze Unsqueeze Transpose Concat Slice Gather Cast Shape Expand Add
    Sub Mul Div Neg Abs Sqrt Pow Exp Log Clip Min Max Sum Mean ReduceMean ReduceSum ReduceMax
    ReduceMin GlobalAveragePool GlobalMaxPool Gemm MatMul Conv ConvTranspose MaxPool AveragePool
    Resize BatchNormalization LayerNormalization InstanceNormalization Relu LeakyRelu Sigmoid Tanh
    Softmax Elu Selu Softplus Softsign Gelu Erf HardSigmoid HardSwish PRelu Dropout QuantizeLinear
    DequantizeLinear Constant ConstantOfShape Pad Reciprocal ReduceProd GatherND ScatterND BitShift
    Loop If
    """.split()
)

CONTROL_FLOW = frozenset({"If", "Loop", "Scan", "SequenceMap"})
AI_ONNX = {
    17: """
    Abs Acos Acosh Add And ArgMax ArgMin Asin Asinh Atan Atanh AveragePool BatchNormalization
    Bernoulli BitShift BlackmanWindow Cast CastLike Ceil Celu Clip Compress Concat
    ConcatFromSequence Constant ConstantOfShape Conv ConvInteger ConvTranspose Cos Cosh CumSum DFT
    DepthToSpace DequantizeLinear Det Div Dropout DynamicQuantizeLinear Einsum Elu Equal Erf Exp
    Expand EyeLike Flatten Floor GRU Gather GatherElements GatherND Gemm GlobalAveragePool
    GlobalLpPool GlobalMaxPool Greater GreaterOrEqual GridSample HammingWindow HannWindow
    HardSigmoid HardSwish Hardmax Identity If InstanceNormalization IsInf IsNaN LRN LSTM
    LayerNormalization LeakyRelu Less LessOrEqual Log LogSoftmax Loop LpNormalization LpPool MatMul
    MatMulInteger Max MaxPool MaxRoiPool MaxUnpool Mean MeanVarianceNormalization MelWeightMatrix
    Min Mod Mul Multinomial Neg NegativeLogLikelihoodLoss NonMaxSuppression NonZero Not OneHot
    Optional OptionalGetElement OptionalHasElement Or PRelu Pad Pow QLinearConv QLinearMatMul
    QuantizeLinear RNN RandomNormal RandomNormalLike RandomUniform RandomUniformLike Range
    Reciprocal ReduceL1 ReduceL2 ReduceLogSum ReduceLogSumExp ReduceMax ReduceMean ReduceMin
    ReduceProd ReduceSum ReduceSumSquare Relu Reshape Resize ReverseSequence RoiAlign Round STFT
    Scan ScatterElements ScatterND Selu SequenceAt SequenceConstruct SequenceEmpty SequenceErase
    SequenceInsert SequenceLength SequenceMap Shape Shrink Sigmoid Sign Sin Sinh Size Slice Softmax
    SoftmaxCrossEntropyLoss Softplus Softsign SpaceToDepth Split SplitToSequence Sqrt Squeeze
    StringNormalizer Sub Sum Tan Tanh TfIdfVectorizer ThresholdedRelu Tile TopK Transpose Trilu
    Unique Unsqueeze Where Xor
    """,
    18: "BitwiseAnd BitwiseNot BitwiseOr BitwiseXor CenterCropPad Col2Im Mish",
    19: "DeformConv",
    20: "AffineGrid Gelu ImageDecoder RegexFullMatch StringConcat StringSplit",
    21: "GroupNormalization",
}
"""The operators of ai.onnx that are not deprecated, at the opset from which they are there."""


def standard_operators(opset: int) -> frozenset[str]:
    """Return the operators of ai.onnx at an opset."""
    return frozenset(
        name for since, names in AI_ONNX.items() if since <= opset for name in names.split()
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """What a contract comes to: the operators that may stand in a model, and its limits."""

    operators: frozenset[str]
    max_model_bytes: int
    max_loops: int
    max_subgraph_depth: int


@dataclass(frozen=True, slots=True)
class ContractSpec:
    """A profile, `vmaf` or `standard`, the opset, and where the recipe departs from the profile."""

    profile: str = "standard"
    opset: int = 17
    max_model_bytes: int | None = None
    max_loops: int | None = None
    max_subgraph_depth: int | None = None
    allow: frozenset[str] = frozenset()
    forbid: frozenset[str] = frozenset()

    def __post_init__(self) -> None:
        if self.profile not in {"vmaf", "standard"}:
            raise InputError(f"no profile is called {self.profile!r}: there are vmaf and standard")
        if self.opset not in IR_VERSIONS:
            opsets = f"{min(IR_VERSIONS)} to {max(IR_VERSIONS)}"
            raise InputError(f"opset {self.opset} cannot be exported: there are {opsets}")
        unknown = (self.allow | self.forbid) - standard_operators(self.opset) - VMAF
        if unknown:
            raise InputError(f"ai.onnx {self.opset} has no operator {min(unknown)[:80]!r}")

    @property
    def ir_version(self) -> int:
        """The IR version of a model of this opset."""
        return IR_VERSIONS[self.opset]

    @property
    def limits(self) -> Limits:
        """The profile's operators and limits with the departures."""
        if self.profile == "vmaf":
            usual = Limits(VMAF, 50 * MIB, 16, 8)
        else:
            operators = standard_operators(self.opset) - CONTROL_FLOW
            usual = Limits(operators, 2**31 - 1, 16, 8)
        return Limits(
            (usual.operators | self.allow) - self.forbid,
            usual.max_model_bytes if self.max_model_bytes is None else self.max_model_bytes,
            usual.max_loops if self.max_loops is None else self.max_loops,
            usual.max_subgraph_depth
            if self.max_subgraph_depth is None
            else self.max_subgraph_depth,
        )
