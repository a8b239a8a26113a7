"""The consumer's side: download, verdict, install.

    from release_tool.verify import verify_model

    model = verify_model("u2netp_mirror.onnx")
    session = onnxruntime.InferenceSession(model.content)

`model.content` are the very bytes that were verified, and `model.release` says who signed them.
Names are imported when they are asked for, so that importing this package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from release_tool.sigstore.trust.signer import ExpectedSigner
    from release_tool.verify.demands import Demands
    from release_tool.verify.evidence import Evidence, evidence_for_digest, open_evidence
    from release_tool.verify.model import VerifiedModel, verify_model
    from release_tool.verify.release import VerifiedRelease
    from release_tool.verify.verdict import verify_release

__all__ = [
    "Demands",
    "Evidence",
    "ExpectedSigner",
    "VerifiedModel",
    "VerifiedRelease",
    "evidence_for_digest",
    "open_evidence",
    "verify_model",
    "verify_release",
]

MODULES = {
    "Demands": "release_tool.verify.demands",
    "Evidence": "release_tool.verify.evidence",
    "ExpectedSigner": "release_tool.sigstore.trust.signer",
    "VerifiedModel": "release_tool.verify.model",
    "VerifiedRelease": "release_tool.verify.release",
    "evidence_for_digest": "release_tool.verify.evidence",
    "open_evidence": "release_tool.verify.evidence",
    "verify_model": "release_tool.verify.model",
    "verify_release": "release_tool.verify.verdict",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used (PEP 562)."""
    if name not in MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(MODULES[name]), name)
