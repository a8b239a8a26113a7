"""What a timestamp authority is asked by clients other than ours: in JSON, and for its chain."""

import base64
from functools import partial

from release_tool.core.documents import parse_json_object
from release_tool.core.errors import InputError
from release_tool.rehearsal.exchange import Request, Response
from release_tool.rehearsal.server import Route
from release_tool.rehearsal.sigstore import der
from release_tool.rehearsal.sigstore.tsa import (
    PATH,
    POLICY,
    SHA256,
    SHA384,
    SHA512,
    VERSION_1,
    Query,
    TimestampAuthority,
    parse_query,
)

MAX_JSON_QUERY_BYTES = 1024
DIGEST_NAMES = {"sha256": SHA256, "sha384": SHA384, "sha512": SHA512}
"""What a query in JSON calls the digests."""


def extend(tsa: TimestampAuthority) -> list[Route]:
    """Have an authority take queries in JSON, and return its further route."""
    tsa.parsers["application/json"] = parse_json_query
    return [Route("GET", f"{PATH}/certchain", partial(answer_chain, tsa))]


def answer_chain(tsa: TimestampAuthority, _request: Request) -> Response:
    """Publish the certificates, the signer's first."""
    chain = "".join(tsa.authority.pems).encode()
    return Response(headers={"Content-Type": "application/pem-certificate-chain"}, body=chain)


def parse_json_query(content: bytes) -> Query:
    """Read a query in JSON, which Sigstore's authority takes as well; raises `InputError`."""
    if len(content) > MAX_JSON_QUERY_BYTES:
        raise InputError(f"the query exceeds {MAX_JSON_QUERY_BYTES} bytes")
    document = parse_json_object(content, "the query")
    algorithm = DIGEST_NAMES.get(str(document.get("hashAlgorithm")).lower())
    if algorithm is None:
        raise InputError("the digest's algorithm is weak or unknown")
    try:
        digest = base64.b64decode(str(document.get("artifactHash")), validate=True)
    except ValueError as error:
        raise InputError("the digest is not base64") from error
    nonce = document.get("nonce")
    if nonce is not None and (isinstance(nonce, bool) or not isinstance(nonce, int) or nonce < 0):
        raise InputError("the nonce is no natural number")
    if document.get("tsaPolicyOID") not in (None, "", POLICY):
        raise InputError("the query asks for a policy that is not offered")
    # Written as the query that it stands for, so that one reader decides what is granted.
    return parse_query(
        der.sequence(
            der.integer(VERSION_1),
            der.sequence(der.sequence(der.oid(algorithm)), der.octet_string(digest)),
            b"" if nonce is None else der.integer(nonce),
            der.encode(der.BOOLEAN, b"\xff" if document.get("certificates") is True else b"\x00"),
        )
    )
