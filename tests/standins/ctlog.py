"""A CT log's own API (RFC 6962 §4): in a rehearsal Fulcio alone writes to the log, directly."""

import base64
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding

from release_tool.core.documents import parse_json_object
from release_tool.rehearsal.exchange import Refusal, Request, Response
from release_tool.rehearsal.server import Route
from release_tool.rehearsal.sigstore import der
from release_tool.rehearsal.sigstore.authority import Authority
from release_tool.rehearsal.sigstore.ctlog import VERSION_1, CtLog, digitally_signed
from release_tool.rehearsal.sigstore.merkle import Tree, hash_leaf
from tests.standins.fields import query_number
from tests.standins.merkle import prove_consistency

TREE_HEAD = 1
POISON = x509.ObjectIdentifier("1.3.6.1.4.1.11129.2.4.3")
EXTENSIONS_TAG = der.context(3)


@dataclass(frozen=True, slots=True)
class CtLogQuestions:
    """Answers questions about a log."""

    log: CtLog
    authority: Authority

    def routes(self) -> list[Route]:
        """List the routes."""
        return [
            Route("POST", "/ct/v1/add-pre-chain", self.answer_add),
            Route("GET", "/ct/v1/get-sth", self.answer_tree_head),
            Route("GET", "/ct/v1/get-entries", self.answer_entries),
            Route("GET", "/ct/v1/get-proof-by-hash", self.answer_inclusion),
            Route("GET", "/ct/v1/get-sth-consistency", self.answer_consistency),
            Route("GET", "/ct/v1/get-roots", self.answer_roots),
        ]

    def tree(self) -> Tree:
        """Build the tree of what is logged by now."""
        tree = Tree()
        for leaf in self.log.entries:
            tree.append(hash_leaf(leaf))
        return tree

    def answer_add(self, request: Request) -> Response:
        """Log a precertificate and promise so with a signed timestamp (RFC 6962 §3.2)."""
        # (1) The chain leads from the precertificate to the log's own root.
        chain = read_chain(request.body.read())
        check_chain(chain, self.authority.chain[-1])
        # (2) It is a precertificate: it carries the critical poison, which is then left out.
        check_poison(chain[0])
        sct = self.log.promise(remove_extension(chain[0].tbs_certificate_bytes, POISON), chain[1])
        return Response.of_json(
            {
                "sct_version": sct[0],
                "id": base64.b64encode(sct[1:33]).decode(),
                "timestamp": int.from_bytes(sct[33:41], "big"),
                "extensions": "",
                "signature": base64.b64encode(sct[43:]).decode(),
            }
        )

    def answer_tree_head(self, _request: Request) -> Response:
        """Sign the present size and root (RFC 6962 §3.5, §4.3)."""
        tree = self.tree()
        size, root = len(tree), tree.root()
        milliseconds = int(self.log.clock().timestamp() * 1000)
        signed = struct.pack(">BBQQ", VERSION_1, TREE_HEAD, milliseconds, size) + root
        return Response.of_json(
            {
                "tree_size": size,
                "timestamp": milliseconds,
                "sha256_root_hash": base64.b64encode(root).decode(),
                "tree_head_signature": base64.b64encode(
                    digitally_signed(self.log.key.sign(signed))
                ).decode(),
            }
        )

    def answer_entries(self, request: Request) -> Response:
        """Return the entries from `start` to `end`, both included (RFC 6962 §4.6)."""
        start, end = query_number(request, "start"), query_number(request, "end")
        found = self.log.entries[start : end + 1]
        if not found:
            raise Refusal(400, "no such entries")
        return Response.of_json(
            {
                "entries": [
                    {
                        "leaf_input": base64.b64encode(leaf).decode(),
                    }
                    for leaf in found
                ]
            }
        )

    def answer_inclusion(self, request: Request) -> Response:
        """Prove that a leaf hash is in a tree of `tree_size` (RFC 6962 §4.5)."""
        size = query_number(request, "tree_size")
        wanted = request.query.get("hash", "")
        leaves = to_base64([hash_leaf(leaf) for leaf in self.log.entries[:size]])
        if len(leaves) < size or wanted not in leaves:
            raise Refusal(404, "no such leaf in a tree of that size")
        index = leaves.index(wanted)
        path = self.tree().prove_inclusion(index, size)
        return Response.of_json({"leaf_index": index, "audit_path": to_base64(path)})

    def answer_consistency(self, request: Request) -> Response:
        """Prove that the tree of size `first` begins that of size `second` (RFC 6962 §4.4)."""
        first, second = query_number(request, "first"), query_number(request, "second")
        tree = self.tree()
        if not 0 < first <= second <= len(tree):
            raise Refusal(400, "the log never had these sizes")
        path = prove_consistency(tree, first, second)
        return Response.of_json({"consistency": to_base64(path)})

    def answer_roots(self, _request: Request) -> Response:
        """Return the one root that is accepted (RFC 6962 §4.7)."""
        return Response.of_json(
            {"certificates": to_base64([self.authority.chain[-1].public_bytes(Encoding.DER)])}
        )


def read_chain(content: bytes) -> list[x509.Certificate]:
    """Read the chain of a submission, its precertificate first; raises `Refusal`, `InputError`."""
    submission = parse_json_object(content, "the submission")
    try:
        chain = submission["chain"]
        loaded = [
            x509.load_der_x509_certificate(base64.b64decode(item, validate=True)) for item in chain
        ]
    except (ValueError, KeyError, TypeError) as error:
        raise Refusal(400, "the chain cannot be read") from error
    if len(loaded) < 2:
        raise Refusal(400, "the chain is too short")
    return loaded


def check_chain(chain: Sequence[x509.Certificate], root: x509.Certificate) -> None:
    """Check that each certificate signed the one before, up to `root`; raises `Refusal` 400."""
    path = list(chain) if chain[-1] == root else [*chain, root]
    try:
        for child, issuer in pairwise(path):
            child.verify_directly_issued_by(issuer)
    except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm) as error:
        raise Refusal(400, "the chain does not lead to an accepted root") from error


def check_poison(certificate: x509.Certificate) -> None:
    """Check that a certificate can be used by nobody (RFC 6962 §3.1); raises `Refusal` 400."""
    try:
        poison = certificate.extensions.get_extension_for_oid(POISON)
    except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError) as error:
        raise Refusal(400, "not a precertificate: it carries no poison") from error
    if not poison.critical:
        raise Refusal(400, "not a precertificate: its poison is not critical")


def remove_extension(tbs: bytes, unwanted: x509.ObjectIdentifier) -> bytes:
    """Return a TBSCertificate without one of its extensions, every other byte as it was."""
    parts = []
    for part in der.read_one(tbs, der.SEQUENCE).children():
        if part.tag != EXTENSIONS_TAG:
            parts.append(part.whole)
            continue
        extensions = der.read_one(part.content, der.SEQUENCE).children()
        name = der.oid(unwanted.dotted_string)
        kept = [one.whole for one in extensions if one.children()[0].whole != name]
        parts.append(der.encode(EXTENSIONS_TAG, der.sequence(*kept)))
    return der.sequence(*parts)


def to_base64(hashes: Sequence[bytes]) -> list[str]:
    """Write byte strings in base64."""
    return [base64.b64encode(one).decode() for one in hashes]
