"""How results look: rows for people, documents for programs."""

from collections.abc import Iterable, Sequence
from pathlib import Path

from release_tool.cli.state import Row, State
from release_tool.core.artifact import Artifact
from release_tool.core.documents import JsonObject
from release_tool.export.run import Export
from release_tool.provenance.exported import ExportedRelease


def file_documents(files: Iterable[Artifact]) -> list[JsonObject]:
    """Describe files for programs."""
    return [
        {"name": file.name, "size_bytes": file.size, "digest": str(file.digest)} for file in files
    ]


def file_rows(files: Sequence[Artifact]) -> list[Row]:
    """Describe files for people: name, digest, size in bytes."""
    return [(file.name, f"{file.digest}  {file.size:>12,} bytes") for file in files]


def show_files(state: State, exported: ExportedRelease, export: Export) -> None:
    """Print what an export wrote and what its gates measured."""
    document = {
        "directory": str(exported.directory),
        "files": file_documents(exported.files),
        "skeleton_sha256": str(export.skeleton),
        "gates": gate_document(export),
    }
    rows = [*file_rows(exported.files), *gate_rows(export)]
    state.print_result(document, rows)


def gate_document(export: Export) -> JsonObject:
    """Describe the gates for programs; differences as measured on this machine."""
    return {
        "nodes": export.contract.nodes,
        "tensors": export.lineage.tensors,
        "in_place": export.lineage.in_place,
        "parity": export.parity.to_json(),
    }


def gate_rows(export: Export) -> list[Row]:
    """Describe the gates for people."""
    largest = max(size.max_difference for size in export.parity.sizes)
    return [
        ("contract", f"opset {export.contract.opset}, {export.contract.nodes} nodes"),
        ("lineage", f"{export.lineage.in_place} of {export.lineage.tensors} tensors in place"),
        ("parity", f"largest difference {largest:.1e} over {len(export.parity.sizes)} sizes"),
    ]


def quote(path: Path) -> str:
    """Write a path so that it works from any directory."""
    return str(path.resolve())
