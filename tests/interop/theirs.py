"""Lets other clients sign against the rehearsal's Sigstore, and `release-tool verify` judge them.

Whether they accept what release-tool signs is `run.sh`'s question; it calls this one:
`python -m tests.interop.theirs BIN`, with INTEROP_COSIGN naming cosign and INTEROP_JS the
directories of sigstore-js.
"""

import base64
import hashlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from release_tool.rehearsal.stack import SigstoreStack
from tests.standins.sigstore import start_whole_sigstore

HERE = Path(__file__).parent
PREDICATE_TYPE = "https://slsa.dev/provenance/v1"
PREDICATE = {
    "buildDefinition": {"buildType": "https://example.org/build", "externalParameters": {}},
    "runDetails": {"builder": {"id": "https://example.org/builder"}},
}
OTHER_DIGEST = "the bundle messageSignature uses SHA2_384, not SHA2_256"
OTHER_ENTRY = "log entries dsse 0.0.2 are not supported here"


@dataclass(frozen=True)
class Signing:
    """A client, its command and its bundle's place; `declined` is why `verify` cannot judge it."""

    who: str
    command: list[str]
    bundle: Path
    environment: dict[str, str]
    declined: str = ""


@dataclass(frozen=True)
class Bench:
    """One running Sigstore, and a directory with what the clients need to sign a file there."""

    stack: SigstoreStack
    place: Path
    file: Path

    @classmethod
    def lay_out(cls, stack: SigstoreStack, place: Path) -> "Bench":
        """Write the file, a statement about it, and the stand-ins' trust in the clients' forms."""
        place.mkdir()
        file = place / "model.bin"
        file.write_bytes(os.urandom(100_000))
        subject = {
            "name": file.name,
            "digest": {"sha256": hashlib.sha256(file.read_bytes()).hexdigest()},
        }
        statement = {
            "_type": "https://in-toto.io/Statement/v1",
            "subject": [subject],
            "predicateType": PREDICATE_TYPE,
            "predicate": PREDICATE,
        }
        config = json.loads(stack.trust_config)
        (place / "statement.json").write_text(json.dumps(statement))
        (place / "predicate.json").write_text(json.dumps(PREDICATE))
        (place / "signing_config.json").write_text(json.dumps(config["signingConfig"]))
        (place / "trust_config.json").write_bytes(stack.trust_config)
        (place / "root.json").write_bytes(stack.trusted_root)
        return cls(stack, place, file)

    def signing(
        self, who: str, *command: object, declined: str = "", **environment: str
    ) -> Signing:
        """Complete a command: a lone `BUNDLE` in it stands for where the bundle goes."""
        bundle = self.place / f"{who.replace(' ', '-')}.sigstore.json"
        words = [str(bundle) if word == "BUNDLE" else str(word) for word in command]
        return Signing(who, words, bundle, environment, declined)

    def by_cosign(self, program: str) -> Iterator[Signing]:
        """Sign a file, with a key of another size too, and attest to it."""
        common = [
            *("--signing-config", self.place / "signing_config.json"),
            *("--trusted-root", self.place / "root.json"),
            *("--identity-token", self.stack.make_identity_token()),
            *("--bundle", "BUNDLE", "--yes"),
        ]
        yield self.signing("cosign sign-blob", program, "sign-blob", *common, self.file)
        larger = ["--signing-algorithm", "ecdsa-sha2-384-nistp384", self.file]
        yield self.signing(
            "cosign sign-blob P-384", program, "sign-blob", *common, *larger, declined=OTHER_DIGEST
        )
        predicate = ["--type", "slsaprovenance1", "--predicate", self.place / "predicate.json"]
        yield self.signing(
            "cosign attest-blob", program, "attest-blob", *common, *predicate, self.file
        )

    def by_python(self) -> Iterator[Signing]:
        """Sign a file, and attest to it."""
        program = [sys.executable, "-m", "sigstore", "--trust-config"]
        start = [*program, self.place / "trust_config.json"]
        common = ["--identity-token", self.stack.make_identity_token(), "--bundle", "BUNDLE"]
        yield self.signing("sigstore-python sign", *start, "sign", *common, self.file)
        predicate = ["--predicate-type", PREDICATE_TYPE, "--predicate"]
        predicate.append(str(self.place / "predicate.json"))
        yield self.signing(
            "sigstore-python attest", *start, "attest", *common, *predicate, self.file
        )

    def by_js(self, modules: str) -> Iterator[Signing]:
        """Sign a file, and a statement."""
        package = json.loads(Path(modules, "@sigstore/sign/package.json").read_text())
        who = f"sigstore-js {package['version']}"
        config = self.place / "signing_config.json"
        given = {"INTEROP_MODULES": modules, "INTEROP_TOKEN": self.stack.make_identity_token()}
        for kind, file in (
            ("messageSignature", self.file),
            ("dsseEnvelope", self.place / "statement.json"),
        ):
            command = ["node", HERE / "sign.mjs", kind, file, config, "BUNDLE"]
            early = kind == "dsseEnvelope" and self.stack.rekor.api_version == 2
            declined = OTHER_ENTRY if early else ""
            yield self.signing(f"{who} {kind}", *command, declined=declined, **given)


def run(command: list[str], **environment: str) -> tuple[int, str]:
    """Run a command without a proxy in the way of 127.0.0.1; return its exit code and words."""
    kept = {name: text for name, text in os.environ.items() if not name.lower().endswith("_proxy")}
    done = subprocess.run(
        command, env=kept | environment, capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stdout + done.stderr


def change_signature(bundle: dict[str, Any]) -> None:
    """Flip the last bit of a bundle's signature."""
    envelope = bundle.get("dsseEnvelope")
    holder, name = (
        (bundle["messageSignature"], "signature")
        if envelope is None
        else (envelope["signatures"][0], "sig")
    )
    content = bytearray(base64.b64decode(holder[name]))
    content[-1] ^= 1
    holder[name] = base64.b64encode(content).decode()


def change_entry(bundle: dict[str, Any]) -> None:
    """Flip the last bit of what was logged."""
    entry = bundle["verificationMaterial"]["tlogEntries"][0]
    content = bytearray(base64.b64decode(entry["canonicalizedBody"]))
    content[-1] ^= 1
    entry["canonicalizedBody"] = base64.b64encode(content).decode()


def changed(path: Path, change: Callable[[dict[str, Any]], None]) -> Path:
    """Write a bundle again with a change."""
    document = json.loads(path.read_text())
    change(document)
    other = path.with_suffix(".changed")
    other.write_text(json.dumps(document))
    return other


def judge(program: str, bench: Bench, other_root: Path, bundle: Path) -> Iterator[str]:
    """Accept a bundle, then refuse it for one change at a time; yield what was decided wrongly."""
    stack, file = bench.stack, bench.file
    touched = bench.place / "touched.bin"
    touched.write_bytes(file.read_bytes()[:-1] + bytes([file.read_bytes()[-1] ^ 1]))
    root = bench.place / "root.json"
    cases = [
        ("as it is", 0, "", file, bundle, stack.identity, root),
        ("a changed file", 8, "the file's digest", touched, bundle, stack.identity, root),
        ("another identity", 8, "x, actual ", file, bundle, f"{stack.identity}x", root),
        ("another root", 8, "the transparency log", file, bundle, stack.identity, other_root),
    ]
    for what, expected, reason, model, path, identity, trusted in cases:
        yield from decide(program, what, expected, reason, [model, path, identity, trusted])
    for what, reason, change in (
        ("a changed signature", "time stamp", change_signature),
        ("a changed log entry", "root of the log's tree", change_entry),
    ):
        given = [file, changed(bundle, change), stack.identity, root]
        yield from decide(program, what, 8, reason, given)


def decide(
    program: str, what: str, expected: int, reason: str, given: Sequence[object]
) -> Iterator[str]:
    """Run `verify` once; yield what is wrong about its decision."""
    model, bundle, identity, root = (str(one) for one in given)
    code, said = run(
        [
            *(program, "verify", model, "--bundle", bundle, "--trusted-root", root, "--quiet"),
            *("--cert-identity", identity),
            *("--cert-oidc-issuer", "https://token.actions.githubusercontent.com"),
        ]
    )
    if code != expected or reason not in said:
        yield f"{what}: exit {code}, expected {expected} for {reason!r}\n{said}"


def check(program: str, bench: Bench, other_root: Path, signing: Signing) -> list[str]:
    """Let a client sign and `verify` judge it; return what went wrong."""
    code, said = run(signing.command, **signing.environment)
    if code:
        return [f"signing: exit {code}\n{said}"]
    if signing.declined:
        given = [bench.file, signing.bundle, bench.stack.identity, bench.place / "root.json"]
        return list(decide(program, "as it is", 9, signing.declined, given))
    return list(judge(program, bench, other_root, signing.bundle))


def main(program: str) -> int:
    """Go through clients and versions of the log; return how many cases went wrong."""
    cosign, modules = os.environ.get("INTEROP_COSIGN", ""), os.environ.get("INTEROP_JS", "").split()
    failures = 0
    versions: tuple[Literal["v1", "v2"], ...] = ("v1", "v2")
    with tempfile.TemporaryDirectory() as name, start_whole_sigstore() as other:
        other_root = Path(name, "other.json")
        other_root.write_bytes(other.trusted_root)
        for version in versions:
            # sigstore-js still sends envelopes to a log of version 2, which Rekor 2.3 refuses.
            with start_whole_sigstore(rekor=version, takes_envelopes=True) as stack:
                bench = Bench.lay_out(stack, Path(name, version))
                signings = [*bench.by_python(), *(bench.by_cosign(cosign) if cosign else ())]
                for one in modules:
                    signings += bench.by_js(one)
                for signing in signings:
                    wrong = check(program, bench, other_root, signing)
                    done = (
                        "is declined, in words" if signing.declined else "verifies unchanged only"
                    )
                    print(f"{'FAILED' if wrong else 'ok    '} {version}: {signing.who} {done}")
                    print(*wrong, sep="\n", end="\n" if wrong else "")
                    failures += bool(wrong)
    return failures


if __name__ == "__main__":
    sys.exit(1 if main(f"{sys.argv[1]}/release-tool") else 0)
