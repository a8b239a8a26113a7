"""`release-tool inspect`: prints what a file says, and says that it verified nothing."""

from pathlib import Path
from typing import Any

import click

from release_tool.cli.options import FILE, with_output
from release_tool.cli.state import Row, State
from release_tool.core.digest import Sha256
from release_tool.core.documents import JsonObject, parse_json_object
from release_tool.core.errors import InputError
from release_tool.core.files import read_limited
from release_tool.core.limits import TEXT_LIMIT_BYTES
from release_tool.gates.metadata import parse_metadata
from release_tool.gates.wire import map_file, parse_head
from release_tool.provenance.manifest import Manifest
from release_tool.sigstore.check.bundle import Bundle, Envelope, parse_bundle
from release_tool.sigstore.check.certificate import open_certificate
from release_tool.sigstore.check.claims import read_claims

NOTHING_VERIFIED = "nothing was verified: anybody can write such a file"


@click.command("inspect")
@click.argument("file", type=FILE)
@with_output
@click.pass_obj
def command(state: State, file: Path) -> None:
    """Print what a bundle, a manifest or a model says; verifies nothing.

    \b
    Examples:
      release-tool inspect u2netp_mirror_v1.onnx.sigstore.json
      release-tool inspect u2netp_mirror_v1.manifest.json
      release-tool inspect u2netp_mirror_v1.onnx
    """
    kind, found = describe(file)
    state.note(NOTHING_VERIFIED)
    document = {"verified": False, "note": NOTHING_VERIFIED, "kind": kind, "content": found}
    state.print_result(document, [("kind", kind), *flatten(found)])


def describe(file: Path) -> tuple[str, JsonObject]:
    """Recognise a file by its content: a model is binary, the others are JSON."""
    if file.suffix == ".onnx":
        return "model", describe_model(file)
    content = read_limited(file, TEXT_LIMIT_BYTES)
    document = parse_json_object(content, file.name)
    if "run_provenance" in document:
        Manifest.parse(content, str(document.get("schema")))
        return "manifest", document
    if "verificationMaterial" in document:
        return "bundle", describe_bundle(parse_bundle(content, file.name))
    raise InputError(f"{file.name} is neither a bundle nor a manifest nor a model (*.onnx)")


def describe_model(file: Path) -> JsonObject:
    """Say what a model declares about itself."""
    model = parse_head(map_file(file))
    opsets = [item.one("version", 0) for item in model.all("opset_import")]
    return {
        "digest": str(Sha256.of_file(file)),
        "ir_version": model.one("ir_version", 0),
        "opset": opsets,
        "producer": f"{model.one('producer_name', '')} {model.one('producer_version', '')}",
        "metadata": parse_metadata(model),
    }


def describe_bundle(bundle: Bundle) -> JsonObject:
    """Say what a bundle claims: whose certificate, over what, where in which log."""
    claims = read_claims(open_certificate(bundle.certificate))
    content = bundle.content
    signs = (
        {"statement": content.payload_type}
        if isinstance(content, Envelope)
        else {"digest": str(content.digest)}
    )
    return {
        "signs": signs,
        "identity": claims.identity,
        "issuer": claims.issuer,
        "repo": claims.repo,
        "commit": claims.commit,
        "log_index": None if bundle.entry is None else bundle.entry.index,
        "timestamps": len(bundle.timestamps),
    }


def flatten(value: Any, path: str = "") -> list[Row]:
    """Write nested content as rows of dotted names and values."""
    if isinstance(value, dict):
        return [row for key, inner in value.items() for row in flatten(inner, f"{path}.{key}")]
    if isinstance(value, list):
        if any(isinstance(item, dict | list) for item in value):
            return [row for n, item in enumerate(value) for row in flatten(item, f"{path}.{n}")]
        value = " ".join(str(item) for item in value)
    return [(path.removeprefix("."), str(value))]
