"""U2NETP at the size that it was trained for, behind the interface of the plain one.

At a video's own size the network does not do its work; this one resizes inside its graph.
"""

from dataclasses import replace

from release_tool.core.digest import Sha256
from release_tool.recipes import consumer
from release_tool.recipes.recipe import Formats, ReleaseNames
from release_tool.recipes.u2netp import U2NETP
from release_tool.recipes.working import WorkingSize

U2NETP_320 = replace(
    U2NETP,
    name="u2netp-320",
    model_id="u2netp_320_mirror_v1",
    tag="u2netp-320-mirror-v1",
    working_size=WorkingSize(320, 320),
    # Computed from exports of two checkpoints with nothing in common, as U2NETP's.
    skeletons=(
        (
            "torch 2.13.0",
            Sha256("e1df7f2eb366dc88f14b907dba70fc31d2a7773e459eb09ab1d970c367eff108"),
        ),
    ),
    names=ReleaseNames(
        model="u2netp_320_mirror_v1.onnx",
        license="Apache-2.0-u2netp-320.txt",
        notice="NOTICE-u2netp-320.txt",
        installed_model="u2netp_320_mirror.onnx",
    ),
    formats=Formats("u2netp-320-mirror-export-manifest-v1", consumer.METADATA_PREFIX),
)
