"""Step 9: the certificate's signer is the expected one, compared letter by letter.

Nothing here searches, folds case or takes a part for the whole: only `==` decides, and for a ref
the one closed form that `core.refs` knows. How a renamed repository is told from another one is
decision 13's.
"""

from release_tool.core.errors import NotVerified, UsageError
from release_tool.core.names import RepoSlug
from release_tool.core.refs import is_allowed
from release_tool.sigstore.check.certificate import SigningCertificate
from release_tool.sigstore.check.claims import Claims, has_issuer, read_claims, read_identity
from release_tool.sigstore.check.refusal import mismatch, show
from release_tool.sigstore.trust.signer import ExpectedService, ExpectedSigner, identity_of

GITHUB = "https://github.com/"


def check_signer(
    certificate: SigningCertificate, signer: ExpectedSigner | ExpectedService
) -> tuple[Claims, str]:
    """Refuse a certificate of another signer; return what it claims, and what was compared."""
    if isinstance(signer, ExpectedSigner):
        claims = read_claims(certificate)
        return claims, check_policy(claims, signer)
    identity = read_identity(certificate)
    if identity != signer.identity:
        raise mismatch("identity of the service", expected=signer.identity, actual=identity)
    if has_issuer(certificate):
        raise NotVerified("an OIDC issuer vouched for the signer, who should be a service itself")
    return Claims(identity, issuer=""), "identity; no issuer vouches for a service"


def check_policy(claims: Claims, signer: ExpectedSigner) -> str:
    """Refuse a signer who is not the expected one; say what was compared.

    1. The repository's name: the expected one or, where both ids are expected and certified, the
       one that the certificate's source repository has.
    2. The identity: composed of that name, the workflow and one of its refs.
    3. The issuer, whose word all the rest is.
    4. Each further claim, the ids among them.
    """
    repo = certified_name(claims, signer)
    ref = check_identity(claims, signer, repo)
    if claims.issuer != signer.issuer:
        raise mismatch(
            "issuer that vouched for the signer",
            expected=signer.issuer,
            actual=claims.issuer,
            hint=f"if that is whom you trust: --cert-oidc-issuer {show(claims.issuer)}",
        )
    compared = ["identity", "issuer"]
    for what, expected, actual, flag in build_claims(claims, signer, repo, ref):
        if expected is None:
            continue
        if actual is None:
            raise NotVerified(f"the certificate does not say its {what}; expected {expected}")
        if actual != expected:
            raise mismatch(what, expected=expected, actual=actual, hint=flag)
        compared.append(what)
    renamed = f"; {signer.repo} is called {repo} there" if repo != signer.repo else ""
    return ", ".join(compared) + renamed


def certified_name(claims: Claims, signer: ExpectedSigner) -> RepoSlug | None:
    """(1) Return the name by which the identity must call the repository.

    GitHub's ids survive a renaming and are never given away again; a name that was given up is
    free for anybody. One id alone does not suffice: a repository that was transferred keeps its
    own, and an owner has many. `check_policy` compares both in any case.
    """
    expected = (signer.owner_id, signer.repo_id)
    known = signer.workflow is not None and None not in expected
    if not known or expected != (claims.owner_id, claims.repo_id):
        return signer.repo
    url = claims.repo or ""
    try:
        name = RepoSlug.parse(url.removeprefix(GITHUB))
    except UsageError:
        return signer.repo
    return name if name.url == url else signer.repo


def check_identity(claims: Claims, signer: ExpectedSigner, repo: RepoSlug | None) -> str | None:
    """(2) Refuse another identity; return the source ref that must stand beside it, if any."""
    if signer.workflow is None or repo is None:
        fits, ref = claims.identity == signer.identity, signer.ref
    else:
        beginning = identity_of(repo, signer.workflow.file)
        ref = claims.identity.removeprefix(beginning)
        fits = beginning + ref == claims.identity and is_allowed(ref, signer.workflow.refs)
    if not fits:
        raise mismatch(
            "identity of the signer",
            expected=signer,
            actual=claims.identity,
            hint=f"if that is who should have signed: --cert-identity {show(claims.identity)} "
            f"--cert-oidc-issuer {show(claims.issuer)}",
        )
    return signer.ref or ref


def build_claims(
    claims: Claims, signer: ExpectedSigner, repo: RepoSlug | None, ref: str | None
) -> tuple[tuple[str, str | None, str | None, str | None], ...]:
    """Pair each expectation of the build with what the certificate says, and a hint."""
    commit = None if signer.commit is None else signer.commit.hex
    ref_hint = f"to believe that ref: --ref {show(claims.ref)}"
    repo_hint = "only the source repository counts, not whose reusable workflow it called"
    id_hint = "a name that was given up may be somebody else's by now; the ids tell"
    return (
        ("source repository", None if repo is None else repo.url, claims.repo, repo_hint),
        ("source repository's owner id", signer.owner_id, claims.owner_id, id_hint),
        ("source repository id", signer.repo_id, claims.repo_id, id_hint),
        ("source ref", ref, claims.ref, ref_hint),
        ("source commit", commit, claims.commit, None),
        ("build trigger", signer.trigger, claims.trigger, None),
        ("runner environment", signer.runner, claims.runner, None),
    )
