"""A thin adapter to the sigstore-conformance suite's command-line protocol, and a runner for it.

As a command it is the client under test: `conformance.py verify-bundle --bundle … FILE_OR_DIGEST`.
With `--suite DIR` it goes through the verification cases of a checkout of the suite itself
(https://github.com/sigstore/sigstore-conformance), and says which it decides in another way.
"""

import sys
from pathlib import Path

from release_tool.cli.main import main as release_tool

IDENTITY = (
    "https://github.com/sigstore-conformance/extremely-dangerous-public-oidc-beacon/"
    ".github/workflows/extremely-dangerous-oidc-beacon.yml@refs/heads/main"
)
ISSUER = "https://token.actions.githubusercontent.com"
NOT_OURS = {
    "managed-key-happy-path": "signed with a bare key, without a certificate",
    "managed-key-and-trusted-root": "signed with a bare key, without a certificate",
    "intoto-with-custom-trust-root": "the deprecated log entry type intoto",
}


def translate(arguments: list[str]) -> list[str]:
    """Turn the protocol's `verify-bundle` into a `release-tool verify`."""
    options = dict(zip(arguments[1:-1:2], arguments[2:-1:2], strict=False))
    root = options.get("--trusted-root")
    believed = ["--trusted-root", root] if root else ["--sigstore", "production", "--offline"]
    return [
        "verify",
        arguments[-1],
        *("--bundle", options["--bundle"]),
        *("--cert-identity", options["--certificate-identity"]),
        *("--cert-oidc-issuer", options["--certificate-oidc-issuer"]),
        *believed,
        "--quiet",
    ]


def decide(case: Path, assets: Path) -> int:
    """Return the exit code for one case of the suite."""

    def text(name: str, default: str) -> str:
        path = case / name
        return path.read_text().strip() if path.exists() else default

    artifact = case / "artifact"
    arguments = [
        "verify-bundle",
        *("--bundle", str(case / "bundle.sigstore.json")),
        *("--certificate-identity", text("identity", IDENTITY)),
        *("--certificate-oidc-issuer", text("issuer", ISSUER)),
    ]
    if (case / "trusted_root.json").exists():
        arguments += ["--trusted-root", str(case / "trusted_root.json")]
    arguments.append(str(artifact if artifact.exists() else assets / "a.txt"))
    try:
        release_tool(translate(arguments))
    except SystemExit as stop:
        return int(stop.code or 0)
    return 0


def run_suite(suite: Path) -> int:
    """Go through every case; return how many were decided in another way than they should."""
    assets, wrong, cases = suite / "test/assets", 0, 0
    for case in sorted((assets / "bundle-verify").iterdir()):
        if not case.is_dir() or case.name in NOT_OURS:
            continue
        cases += 1
        expected = not case.name.endswith("_fail")
        code = decide(case, assets)
        if (code == 0) is not expected or code not in (0, 3, 8, 9):
            wrong += 1
            print(f"WRONG {case.name}: exit {code}")
    print(f"{cases} cases, {wrong} decided in another way; not ours: {', '.join(NOT_OURS)}")
    return wrong


if __name__ == "__main__":
    if sys.argv[1] == "--suite":
        sys.exit(1 if run_suite(Path(sys.argv[2])) else 0)
    release_tool(translate(sys.argv[1:]))
