"""What of a bundle may be changed without a refusal: `python -m tests.fuzz.survivors [SUITE]`.

Makes every small change of bundles that verify, and puts those that verify still into the classes
that `docs/threat-model.md` lists with their reasons; one that fits no class is a find. The bundles
are the rehearsal's and, given a checkout of the sigstore-conformance suite, those that it accepts.
FUZZ_STRIDE=N takes every Nth position only.
"""

import base64
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import rsa

from release_tool.core.digest import Sha256
from release_tool.core.errors import CannotVerify, NotVerified
from release_tool.rehearsal.stack import start_sigstore
from release_tool.sigstore.check.bundle import Bundle, MessageSignature, parse_bundle
from release_tool.sigstore.check.timestamps import check_timestamps
from release_tool.sigstore.trust.instance import TrustedRoot, open_trusted_root
from release_tool.sigstore.trust.signer import ExpectedSigner
from release_tool.verify.evidence import evidence_for_digest
from release_tool.verify.verdict import verify_release
from tests.fuzz.der import Change
from tests.fuzz.mutations import BUNDLE_NAMES, changes
from tests.interop.conformance import IDENTITY, ISSUER, NOT_OURS
from tests.verify.conftest import CONTENT, Signer, state_subject
from tests.verify.test_timestamps import SIGNATURE, Maker

SPELLING = "the spelling of the JSON"
EMPTY = "absent for empty"
MEDIA_TYPE = "the name of the version"
DIGEST = "the file's digest"
STAMP = "a time stamp beside the log's promise"
PROMISE = "the log's promise beside a time stamp"
TWIN = "the twin of an ECDSA signature"
CARRIED = "certificates inside a time stamp"
ALGORITHM = "how a time stamp names its algorithms"
WITNESSES = "signatures of witnesses"
CHAIN = "certificates of the trusted root"


@dataclass(frozen=True)
class Case:
    """A document that is accepted, and what accepts it."""

    title: str
    content: bytes
    verify: Callable[[bytes], object]

    def survivors(self, stride: int) -> Iterator[tuple[str | None, Change]]:
        """Yield every change that is accepted, with its class, or None where it has none."""
        self.verify(self.content)
        written = {self.content}
        if self.content[:1] == b"{":
            written.add(json.dumps(json.loads(self.content)).encode())
        for change in changes(self.content, stride, BUNDLE_NAMES):
            if change.content in written:
                continue
            try:
                self.verify(change.content)
            except (NotVerified, CannotVerify):
                continue
            yield classify(self.content, change), change


def classify(original: bytes, change: Change) -> str | None:
    """Name what a change that was accepted leaves out or spells otherwise."""
    if change.how == "twin":
        return TWIN
    if original[:1] != b"{":
        return classify_stamp(change)
    if json.loads(original) == json.loads(change.content):
        return SPELLING
    before, after = parse_bundle(original, "before"), parse_bundle(change.content, "after")
    parts = {one.name for one in fields(Bundle) if differ(before, after, one.name)}
    known = [
        name for name, (part, holds) in FORMS.items() if parts <= {part} and holds(before, after)
    ]
    return known[0] if known else classify_stamp(change) if parts == {"timestamps"} else None


def differ(before: Bundle, after: Bundle, name: str) -> bool:
    """Tell whether two bundles differ in one part."""
    return bool(getattr(before, name) != getattr(after, name))


def classify_stamp(change: Change) -> str | None:
    """Name what was changed in a time stamp, outside of what its signature covers."""
    place = change.place.rpartition("signedTimestamp")[2]
    if place.startswith("/30/30/a0/30/a0") and change.how == "delete":
        return CARRIED
    named = place.endswith("/30/06") and change.how == "insert"  # NULL, behind the OID
    return ALGORITHM if named or change.how.startswith("respell") else None


def same_note(before: Bundle, after: Bundle) -> bool:
    """Tell whether two entries differ below their log's own signature of its checkpoint alone."""
    if before.entry is None or after.entry is None:
        return False
    one, other = before.entry.proof.checkpoint, after.entry.proof.checkpoint
    proof = replace(after.entry.proof, checkpoint=one)
    (text, _, below), (changed, _, beneath) = (note.partition("\n\n") for note in (one, other))
    hint = base64.b64encode(before.entry.log_id[:3]).decode()
    own = {line for line in below.split("\n") if line.rpartition(" ")[2].startswith(hint)}
    return (
        replace(after.entry, proof=proof) == before.entry
        and text == changed
        and bool(own)
        and own <= set(beneath.split("\n"))
    )


def without_promise(before: Bundle, after: Bundle) -> bool:
    """Tell whether an entry lost its promise, with its time, and nothing else."""
    return before.entry is not None and after.entry == replace(
        before.entry, promise=None, integrated_time=None
    )


def without_digest(before: Bundle, after: Bundle) -> bool:
    """Tell whether a file's signature lost the digest of the file, and nothing else."""
    content = before.content
    return isinstance(content, MessageSignature) and after.content == replace(content, digest=None)


FORMS: dict[str, tuple[str, Callable[[Bundle, Bundle], bool]]] = {
    EMPTY: ("", lambda before, after: before == after),
    MEDIA_TYPE: ("media_type", lambda _before, _after: True),
    CHAIN: ("chain", lambda _before, _after: True),
    DIGEST: ("content", without_digest),
    PROMISE: ("entry", without_promise),
    WITNESSES: ("entry", same_note),
    STAMP: ("timestamps", lambda before, after: {*after.timestamps} < {*before.timestamps}),
}
"""Class -> the one part of a bundle in which the changed one differs, and how."""


def rehearsed() -> Iterator[Case]:
    """Sign in every form that the rehearsal's Sigstore has, and as old clients did."""
    for version in ("v1", "v2"):
        with start_sigstore(rekor=version) as stack:
            signer = Signer(stack)
            first, later = signer.sign(CONTENT), signer.sign(CONTENT)
            stated = signer.state(state_subject(CONTENT))
            yield Case(f"{version}, a statement", stated, signer.verify)
            if version == "v2":
                yield Case("v2, a file, cosigned", cosign(later), signer.verify)
            else:
                yield Case("v1, the first entry", first, signer.verify)
                chain = json.loads(stack.trusted_root)["certificateAuthorities"][0]["certChain"]
                yield Case(
                    "v1, a file, version 0.1", age(later, chain["certificates"]), signer.verify
                )
    yield stamped()


def cosign(bundle: bytes) -> bytes:
    """Add the signature of a witness to a bundle's log checkpoint."""
    document = json.loads(bundle)
    checkpoint = document["verificationMaterial"]["tlogEntries"][0]["inclusionProof"]["checkpoint"]
    checkpoint["envelope"] += f"\N{EM DASH} a-witness {base64.b64encode(bytes(76)).decode()}\n"
    return json.dumps(document).encode()


def age(bundle: bytes, above: list[Any]) -> bytes:
    """Write a bundle as of version 0.1, which carries the certificates above the signer's."""
    document = json.loads(bundle)
    material = document["verificationMaterial"]
    document["mediaType"] = "application/vnd.dev.sigstore.bundle+json;version=0.1"
    material["x509CertificateChain"] = {"certificates": [material.pop("certificate"), *above]}
    return json.dumps(document).encode()


def stamped() -> Case:
    """Stamp with an RSA key, whose signatures are named in two ways; the rehearsal has none."""
    maker = Maker(rsa.generate_private_key(public_exponent=65537, key_size=2048))
    anchors = maker.anchors()
    stamp = maker.make(carried=maker.chain)
    return Case("a stamp by RSA", stamp, lambda der: check_timestamps((der,), SIGNATURE, anchors))


def foreign(suite: Path) -> Iterator[Case]:
    """Take the bundles of the conformance suite that are to be accepted."""
    assets = suite / "test/assets"
    for place in sorted((assets / "bundle-verify").iterdir()):
        if not place.is_dir() or place.name.endswith("_fail") or place.name in NOT_OURS:
            continue
        artifact, root = place / "artifact", place / "trusted_root.json"
        digest = Sha256.of_file(artifact if artifact.exists() else assets / "a.txt")
        believed = open_trusted_root(root if root.exists() else "production", offline=True)
        said = {
            name: (place / name).read_text().strip()
            for name in ("identity", "issuer")
            if (place / name).exists()
        }
        signer = ExpectedSigner.exact(said.get("identity", IDENTITY), said.get("issuer", ISSUER))
        verify = partial(judge, digest=digest, signer=signer, root=believed)
        yield Case(place.name, (place / "bundle.sigstore.json").read_bytes(), verify)


def judge(content: bytes, *, digest: Sha256, signer: ExpectedSigner, root: TrustedRoot) -> object:
    """Take the verdict on a file that is known by its digest."""
    return verify_release(evidence_for_digest(digest, content), signer, root)


def find(cases: Iterator[Case], stride: int) -> Iterator[tuple[Case, str | None, Change]]:
    """Go through all cases and yield what survives."""
    for case in cases:
        for name, change in case.survivors(stride):
            yield case, name, change


def main() -> int:
    """Print the classes, then every survivor that is in none; return how many these are."""
    stride, unknown = int(os.environ.get("FUZZ_STRIDE", "1")), 0
    os.environ["NO_PROXY"] = "127.0.0.1"
    others = [foreign(Path(suite)) for suite in sys.argv[1:]]
    found: Counter[str] = Counter()
    for source in (rehearsed(), *others):
        for case, name, change in find(source, stride):
            found[name or "unknown"] += 1
            if name is None:
                unknown += 1
                print(f"SURVIVES {case.title}: {change.how} at {change.place}")
    for name, count in sorted(found.items()):
        print(f"{count:6} {name}")
    return unknown


if __name__ == "__main__":
    sys.exit(min(main(), 1))
