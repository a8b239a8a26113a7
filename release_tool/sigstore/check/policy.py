"""Step 9: the certificate's signer is the expected one, compared letter by letter.

Nothing here searches, folds case or takes a part for the whole: only `==` decides.
"""

from release_tool.core.errors import NotVerified
from release_tool.sigstore.check.claims import Claims
from release_tool.sigstore.check.refusal import mismatch, show
from release_tool.sigstore.trust.signer import ExpectedSigner


def check_policy(claims: Claims, signer: ExpectedSigner) -> str:
    """Refuse a signer who is not the expected one; say what was compared."""
    if claims.identity != signer.identity:
        raise mismatch(
            "identity of the signer",
            expected=signer.identity,
            actual=claims.identity,
            hint=f"if that is who should have signed: --cert-identity {show(claims.identity)} "
            f"--cert-oidc-issuer {show(claims.issuer)}",
        )
    if claims.issuer != signer.issuer:
        raise mismatch(
            "issuer that vouched for the signer",
            expected=signer.issuer,
            actual=claims.issuer,
            hint=f"if that is whom you trust: --cert-oidc-issuer {show(claims.issuer)}",
        )
    compared = ["identity", "issuer"]
    for what, expected, actual, flag in build_claims(claims, signer):
        if expected is None:
            continue
        if actual is None:
            raise NotVerified(f"the certificate does not say its {what}; expected {expected}")
        if actual != expected:
            raise mismatch(what, expected=expected, actual=actual, hint=flag)
        compared.append(what)
    return ", ".join(compared)


def build_claims(
    claims: Claims, signer: ExpectedSigner
) -> tuple[tuple[str, str | None, str | None, str | None], ...]:
    """Pair each expectation of the build with what the certificate says, and a hint."""
    repo = None if signer.repo is None else signer.repo.url
    commit = None if signer.commit is None else signer.commit.hex
    ref_hint = f"to believe that ref: --ref {show(claims.ref)}"
    repo_hint = "only the source repository counts, not whose reusable workflow it called"
    return (
        ("source repository", repo, claims.repo, repo_hint),
        ("source repository id", signer.repo_id, claims.repo_id, None),
        ("source ref", signer.ref, claims.ref, ref_hint),
        ("source commit", commit, claims.commit, None),
        ("build trigger", signer.trigger, claims.trigger, None),
        ("runner environment", signer.runner, claims.runner, None),
    )
