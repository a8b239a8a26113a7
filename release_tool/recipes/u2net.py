"""U²-Net's full-size saliency network, from the same checkout as U2NETP."""

from release_tool.core.digest import Sha256
from release_tool.recipes import consumer, saliency
from release_tool.recipes.contract import MIB, ContractSpec
from release_tool.recipes.network import NetworkCall
from release_tool.recipes.recipe import CheckpointPin, Formats, Recipe, ReleaseNames
from release_tool.recipes.u2netp import ATTRIBUTION, AXES, INPUTS, LICENSE, OUTPUTS, UPSTREAM

U2NET = Recipe(
    name="u2net",
    model_id="u2net_mirror_v1",
    tag="u2net-mirror-v1",
    upstream=UPSTREAM,
    license=LICENSE,
    # 176,290,937 bytes. Upstream's README names the first source, which puts a page before so
    # large a file (`upstream/drive.py`); the second is a mirror.
    checkpoint=CheckpointPin(
        path="saved_models/u2net/u2net.pth",
        sha256=Sha256("10025a17f49cd3208afc342b589890e402ee63123d6f2d289a4a0903695cce58"),
        tensors=686,
        sources=(
            "https://drive.google.com/uc?export=download&id=1ao1ovG1Qtx4b7EoskHXmi2E9rp5CHLcZ",
            "https://huggingface.co/netradrishti/u2net-saliency/resolve/main/models/u2net.pth",
        ),
    ),
    network=NetworkCall("model.u2net:U2NET", (3, 1)),
    inputs=INPUTS,
    outputs=OUTPUTS,
    axes=AXES,
    contract=ContractSpec("vmaf", opset=17, max_model_bytes=200 * MIB),
    skeletons=(
        (
            "torch 2.13.0",
            Sha256("be4cf95058d0b91b623ee5e1b082302b465740670022c12ab631ebe0a87fbe1d"),
        ),
    ),
    parity=saliency.PARITY,
    names=ReleaseNames(
        model="u2net_mirror_v1.onnx",
        license="Apache-2.0-u2net.txt",
        notice="NOTICE-u2net.txt",
        installed_model="u2net_mirror.onnx",
    ),
    formats=Formats("u2net-mirror-export-manifest-v1", consumer.METADATA_PREFIX),
    attribution=ATTRIBUTION,
    publisher=consumer.PUBLISHER,
)
