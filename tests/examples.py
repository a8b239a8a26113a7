"""An example that several stages' tests start from."""

from release_tool.core.digest import Sha256
from release_tool.core.names import CommitId
from release_tool.provenance.manifest import (
    RUN_PROVENANCE_SCHEMA,
    ContractClaim,
    ExportClaim,
    FileClaim,
    GatesClaim,
    LicenseClaim,
    LineageClaim,
    Manifest,
    OutputsClaim,
    ParityClaim,
    RunClaim,
    RunInputs,
    RunOutputs,
    SampleClaim,
    SampleFileClaim,
    UpstreamClaim,
    ValueClaim,
)
from release_tool.recipes.u2netp import U2NETP
from release_tool.rehearsal.upstream import make_checkpoint, make_recipe

STANDIN = make_recipe(make_checkpoint())
"""The recipe that pins what a rehearsal releases."""


def digest(text: str) -> Sha256:
    return Sha256.of_bytes(text.encode())


def example_manifest() -> Manifest:
    """State an export that never happened, with a value in every field."""
    return Manifest(
        schema=U2NETP.formats.manifest_schema,
        model_id="example_v1",
        upstream=UpstreamClaim(
            repo="https://example.org/up",
            commit=CommitId("ab" * 20),
            module_path="model/net.py",
            module_sha256=digest("module"),
            modules={"model/net.py": digest("module")},
            adapter=None,
            checkpoint_path="net.pth",
            checkpoint_sha256=digest("checkpoint"),
            checkpoint_tensors_sha256=digest("tensors"),
            license_path="LICENSE",
            license_sha256=digest("license"),
            notice_present=True,
        ),
        license=LicenseClaim(spdx="Apache-2.0", recognised=True),
        export=ExportClaim(
            opset=17,
            height=64,
            width=96,
            input_name="input",
            output_name="saliency_map",
            selected_upstream_output="d0",
            metadata_written=True,
            inputs=(ValueClaim(name="input", type="float32", shape=(1, 3, "H", "W")),),
            outputs=(ValueClaim(name="saliency_map", type="float32", shape=(1, 1, "H", "W")),),
        ),
        outputs=OutputsClaim(
            onnx_path="example_v1.onnx",
            onnx_sha256=digest("model"),
            skeleton_sha256=digest("skeleton"),
        ),
        gates=example_gates(),
        toolchain={"python": "3.11.7", "torch": "2.13.0+cpu"},
        unpinned=(),
        run_provenance=example_run(),
    )


def example_gates() -> GatesClaim:
    """State what the gates found."""
    return GatesClaim(
        contract=ContractClaim(
            ir_version=8,
            opset=17,
            nodes=3,
            initializers=2,
            operators={"Conv": 2, "Sigmoid": 1},
            size_bytes=1234,
        ),
        lineage=LineageClaim(tensors=2, in_place=2, tied=(), unused=()),
        parity=ParityClaim(
            reference="torch float64",
            samples=(
                SampleClaim(axes={"H": 32, "W": 32}, files={}),
                SampleClaim(
                    axes={"H": 37, "W": 53},
                    files={"input": SampleFileClaim(path="a.png", sha256=digest("png"))},
                ),
            ),
            error_ratio_at_most=3.0,
            mean_error_ratio_at_most=2.0,
            error_floor=1e-7,
            unsaturated_share_at_least=0.01,
            range_at_least=0.01,
        ),
    )


def example_run() -> RunClaim:
    """State the run."""
    return RunClaim(
        schema=RUN_PROVENANCE_SCHEMA,
        entrypoint=FileClaim.file("tool/main.py", digest("program")),
        argv=("export", "--recipe", "example"),
        args={"recipe": "example"},
        inputs=RunInputs(
            upstream_dir=FileClaim(path="upstream", exists=True, kind="directory"),
            upstream_module=FileClaim.file("upstream/model/net.py", digest("module")),
            upstream_checkpoint=FileClaim.file("upstream/net.pth", digest("checkpoint")),
            upstream_license=FileClaim.file("upstream/LICENSE", digest("license")),
            upstream_notice=FileClaim.file("upstream/NOTICE", digest("notice")),
        ),
        outputs=RunOutputs(
            onnx=FileClaim.file("example_v1.onnx", digest("model")),
            license=FileClaim.file("Apache-2.0-example.txt", digest("asset")),
            notice=FileClaim.file("NOTICE-example.txt", digest("notice")),
            manifest=FileClaim.file("example_v1.manifest.json", None),
        ),
    )
