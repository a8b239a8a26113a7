"""How results look: rows for people, documents for programs."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from release_tool.cli.state import BLANK, Row, State
from release_tool.core.artifact import Artifact
from release_tool.core.documents import JsonObject

if TYPE_CHECKING:
    from release_tool.chain.export import Outcome
    from release_tool.export.measured import ParityReport


def file_documents(files: Iterable[Artifact]) -> list[JsonObject]:
    """Describe files for programs."""
    return [
        {"name": file.name, "size_bytes": file.size, "digest": str(file.digest)} for file in files
    ]


def file_rows(files: Sequence[Artifact]) -> list[Row]:
    """Describe files for people: name, digest, size in bytes."""
    return [(file.name, f"{file.digest}  {file.size:>12,} bytes") for file in files]


def show_export(state: State, outcome: "Outcome") -> None:
    """Print what an export wrote and what its gates measured."""
    release, parity = outcome.release, outcome.export.parity if outcome.export else None
    contract, lineage = outcome.proof.contract, outcome.proof.lineage
    document = {
        "directory": str(release.directory),
        "files": file_documents(release.files),
        "skeleton_sha256": str(lineage.skeleton),
        "gates": {
            "nodes": contract.nodes,
            "tensors": lineage.tensors,
            "in_place": lineage.in_place,
            "parity": parity.to_json() if parity else None,
        },
    }
    gates = [
        ("contract", f"opset {contract.opset}, {contract.nodes} nodes"),
        ("lineage", f"{lineage.in_place} of {lineage.tensors} tensors in place"),
    ]
    gates += parity_rows(parity) if parity else []
    state.print_result(document, [*file_rows(release.files), BLANK, *gates])


def parity_rows(parity: "ParityReport") -> list[Row]:
    """Say for each output what ONNX Runtime and PyTorch were off by."""
    varied = f"{parity.unsaturated_share:.1%} unsaturated, range {parity.range:.2f}"
    rows = [("parity", f"holds on {len(parity.outputs)} outputs; {varied}")]
    return rows + [("", str(each)) for each in parity.outputs]
