"""The limits of the fork's C extractor, the consumer that every recipe here serves.

Source: the operator allowlist and the loader's limits of VMAFx/vmafx (libvmaf's DNN loader), and
the one signer that its loader believes (ADR-2985, core/src/dnn/signer_identity.c).
"""

from release_tool.core.names import RepoSlug
from release_tool.recipes.recipe import Publisher

OPERATORS = frozenset(
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

METADATA_PREFIX = "lusoris."
"""Its exporters, ai/scripts/export_*.py, open the key of each metadata entry with it."""

MAX_LOOPS = 16
MAX_SUBGRAPH_DEPTH = 8
MIB = 1024 * 1024

PUBLISHER = Publisher(
    repo=RepoSlug("VMAFx", "vmafx"),
    workflow="supply-chain.yml",
    refs=("refs/heads/master", "refs/tags/v<version>"),
    issuer="https://token.actions.githubusercontent.com",
    owner_id="288567244",
    repo_id="1252235334",
)
