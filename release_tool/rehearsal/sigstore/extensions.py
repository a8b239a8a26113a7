"""The extensions that Fulcio writes into a certificate for a GitHub Actions run (its oid-info).

The mapping is Fulcio's for GitHub; which token deserves a certificate is decided elsewhere.
"""

from collections.abc import Callable

from cryptography import x509

from release_tool.core.documents import JsonObject
from release_tool.core.errors import InputError
from release_tool.rehearsal.sigstore import der
from release_tool.rehearsal.sigstore.claims import SERVER

ARC = "1.3.6.1.4.1.57264.1"
RAW_ARCS = range(1, 7)
"""Below .8 the value is the bare text, no DER: an early mistake of Fulcio's that clients know."""

Read = Callable[[JsonObject], str]


def claim(name: str, prefix: str = "") -> Read:
    """Read one claim, which must be there and a text, behind a prefix."""

    def read(claims: JsonObject) -> str:
        text = claims.get(name)
        if not isinstance(text, str) or not text:
            raise InputError(f"the token misses the claim {name}")
        return prefix + text

    return read


def read_invocation(claims: JsonObject) -> str:
    """Compose the address of the run and its attempt."""
    repository, run, attempt = (
        claim(name)(claims) for name in ("repository", "run_id", "run_attempt")
    )
    return f"{SERVER}/{repository}/actions/runs/{run}/attempts/{attempt}"


# Numbers below ARC, and what each is read from.
EXTENSIONS: dict[int, Read] = {
    1: claim("iss"),  # issuer, superseded by 8
    2: claim("event_name"),  # GitHub workflow trigger, superseded by 20
    3: claim("sha"),  # GitHub workflow SHA, superseded by 13
    4: claim("workflow"),  # GitHub workflow name
    5: claim("repository"),  # GitHub workflow repository, superseded by 12
    6: claim("ref"),  # GitHub workflow ref, superseded by 14
    8: claim("iss"),  # issuer
    9: claim("job_workflow_ref", f"{SERVER}/"),  # build signer URI
    10: claim("job_workflow_sha"),  # build signer digest
    11: claim("runner_environment"),  # runner environment
    12: claim("repository", f"{SERVER}/"),  # source repository URI
    13: claim("sha"),  # source repository digest
    14: claim("ref"),  # source repository ref
    15: claim("repository_id"),  # source repository identifier
    16: claim("repository_owner", f"{SERVER}/"),  # source repository owner URI
    17: claim("repository_owner_id"),  # source repository owner identifier
    18: claim("workflow_ref", f"{SERVER}/"),  # build config URI
    19: claim("workflow_sha"),  # build config digest
    20: claim("event_name"),  # build trigger
    21: read_invocation,  # run invocation URI
    22: claim("repository_visibility"),  # source repository visibility at signing
}
DEPLOYMENT_ENVIRONMENT = 23
"""Written only for a job that names a deployment environment."""


def make_extensions(claims: JsonObject) -> list[x509.UnrecognizedExtension]:
    """Turn a token's claims into the extensions of its certificate; raises `InputError`."""
    texts = {number: read(claims) for number, read in EXTENSIONS.items()}
    if claims.get("environment"):
        texts[DEPLOYMENT_ENVIRONMENT] = claim("environment")(claims)
    return [
        x509.UnrecognizedExtension(
            x509.ObjectIdentifier(f"{ARC}.{number}"),
            text.encode() if number in RAW_ARCS else der.utf8_string(text),
        )
        for number, text in texts.items()
    ]


def make_identity(claims: JsonObject) -> str:
    """Return the subject alternative name: for a reusable workflow that is the called one."""
    return claim("job_workflow_ref", f"{SERVER}/")(claims)
