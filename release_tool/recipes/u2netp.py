"""U²-Net's small saliency network, U2NETP, as the fork mirrors it."""

from release_tool.core.digest import Sha256
from release_tool.core.names import CommitId
from release_tool.recipes import consumer, saliency
from release_tool.recipes.contract import ContractSpec
from release_tool.recipes.license import LicensePin
from release_tool.recipes.network import InputSpec, NetworkCall, OutputSpec
from release_tool.recipes.published import U2NETP_REPLAY
from release_tool.recipes.recipe import (
    Attribution,
    CheckpointPin,
    Formats,
    Recipe,
    ReleaseNames,
    UpstreamPin,
)

# https://github.com/xuebinqin/U-2-Net at its commit of 2024-01-12; digests computed from that tree.
UPSTREAM = UpstreamPin(
    repo="https://github.com/xuebinqin/U-2-Net",
    commit=CommitId("ac7e1c817ecab7c7dff5ce6b1abba61cd213ff29"),
    modules=(
        (
            "model/u2net.py",
            Sha256("96dd7a19c7de4f13520ccfc1075ded3350ff4946493be3561b9918a46218f415"),
        ),
    ),
)

LICENSE = LicensePin(
    spdx="Apache-2.0",
    path="LICENSE",
    sha256=Sha256("c71d239df91726fc519c6eb72d318ec65820627232b2f796219e87dcf35d0ab4"),
)

# 4,683,258 bytes; at least five independent projects record the same digest. Upstream's README
# names the first source; the second is a mirror.
CHECKPOINT = CheckpointPin(
    path="saved_models/u2netp/u2netp.pth",
    sha256=Sha256("e7567cde013fb64813973ce6e1ecc25a80c05c3ca7adbc5a54f3c3d90991b854"),
    tensors=686,
    sources=(
        "https://drive.google.com/uc?export=download&id=1rbSTGKAE-MTxBYHd-51l2hMOQPT_7EPy",
        "https://huggingface.co/netradrishti/u2net-saliency/resolve/main/models/u2netp.pth",
    ),
)

ATTRIBUTION = Attribution(
    title="U²-Net",
    copyright="Copyright the U²-Net authors (Xuebin Qin, Zichen Zhang, Chenyang Huang, "
    "Masood Dehghan, Osmar R. Zaiane and Martin Jagersand)",
    paper="Xuebin Qin, Zichen Zhang, Chenyang Huang, Masood Dehghan, Osmar R. Zaiane and Martin "
    "Jagersand: U2-Net: Going Deeper with Nested U-Structure for Salient Object Detection. "
    "Pattern Recognition 106 (2020), 107404",
)

INPUTS = (InputSpec("input", (1, 3, "H", "W"), draw="image"),)
OUTPUTS = (OutputSpec("saliency_map", (1, 1, "H", "W"), select=0),)
AXES = (("H", 64), ("W", 96))

U2NETP = Recipe(
    name="u2netp",
    model_id="u2netp_mirror_v1",
    tag="u2netp-mirror-v1",
    upstream=UPSTREAM,
    license=LICENSE,
    checkpoint=CHECKPOINT,
    network=NetworkCall("model.u2net:U2NETP", (3, 1)),
    inputs=INPUTS,
    outputs=OUTPUTS,
    axes=AXES,
    contract=ContractSpec("vmaf", opset=17),
    # Computed from exports of two checkpoints with nothing in common; `gates/skeleton.py` says how.
    skeletons=(
        (
            "torch 2.13.0",
            Sha256("d8a1f7bbd4fdd9ed21595eda87066df406becaf0b23d0a81f93c750d4ff6fdbf"),
        ),
    ),
    parity=saliency.PARITY,
    names=ReleaseNames(
        model="u2netp_mirror_v1.onnx",
        license="Apache-2.0-u2netp.txt",
        notice="NOTICE-u2netp.txt",
        installed_model="u2netp_mirror.onnx",
    ),
    formats=Formats("u2netp-mirror-export-manifest-v1", consumer.METADATA_PREFIX),
    attribution=ATTRIBUTION,
    publisher=consumer.PUBLISHER,
    replay=U2NETP_REPLAY,
    trained_on=("DUTS-TR",),  # the paper, section 4.1
)
