"""Speed and memory against their targets, rivals side by side in one run: `make bench`.

With UPSTREAM_DIR and CHECKPOINT in the environment the real network is exported, else the small
stand-in, whose export is mostly the import of torch. `BENCH_ROUNDS` sets how many rounds a verdict
is measured in, and the names of parts, such as `bench_release`, choose these alone.
"""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from measure import MIB, Rival, compare, quotient, ratio, target
from transfers import bench_transfers

BENCH = Path(__file__).parent
PYTHON = [sys.executable, "-P"]
TOOL = [*PYTHON, "-m", "release_tool"]
MODEL = "u2netp_mirror_v1.onnx"
MODEL_BYTES = 5_000_000
ROUNDS = int(os.environ.get("BENCH_ROUNDS", "11"))
REPO = "rehearsal/u2netp-mirror"
ISSUER = "https://token.actions.githubusercontent.com"
IDENTITY = f"https://github.com/{REPO}/.github/workflows/release.yml@refs/heads/main"


def rehearse(place: Path, *options: str) -> Path:
    """Rehearse a release to measure with."""
    command = [*TOOL, "rehearse", "--out", str(place), "--json", *options]
    subprocess.run(command, check=True, capture_output=True)
    return place


def real_source() -> tuple[str, str] | None:
    """Return the real checkout and checkpoint, where the environment names them."""
    upstream, checkpoint = os.environ.get("UPSTREAM_DIR"), os.environ.get("CHECKPOINT")
    return (upstream, checkpoint) if upstream and checkpoint else None


def bench_export(place: Path) -> list[bool]:
    """Compare the whole export with a bare script."""
    source = real_source()
    if source is None:
        print("\nexport: skipped, set UPSTREAM_DIR and CHECKPOINT to measure the real network")
        return []
    upstream, checkpoint = source
    recipe = os.environ.get("RECIPE", "u2netp")
    names = {"u2netp": "U2NETP", "u2net": "U2NET"}
    ours = [*TOOL, "export", "--upstream-dir", upstream, "--checkpoint", checkpoint]
    ours += ["--unpinned-checkpoint", "--recipe", recipe, "--out", str(place / "out")]
    module = f"{upstream}/model/u2net.py"
    bare = [*PYTHON, str(BENCH / "bare_export.py"), module, names[recipe], checkpoint]
    rivals = [Rival("release-tool export", ours), Rival("bare script", [*bare, str(place / "b")])]
    measured = compare(f"export of {recipe}, all gates", rivals, rounds=3)
    peaks = [measured[rival.name].peak_bytes for rival in rivals]
    return [
        ratio(measured, "release-tool export", "bare script", 3.0),
        target("memory, release-tool / bare script", peaks[0] / peaks[1], 1.1),
    ]


def bench_reproducible(place: Path) -> list[bool]:
    """Export ten times, everything else varied, and count the digests."""
    source = real_source()
    found: dict[str, set[str]] = {}
    for number in range(10):
        work = place / f"{'deep/' * number}work"
        work.mkdir(parents=True)
        varied = {"PYTHONHASHSEED": str(number), "OMP_NUM_THREADS": str(1 + number % 3)}
        environment = {**os.environ, **varied, "LANG": ("C", "C.UTF-8")[number % 2]}
        command = [*export_elsewhere(source, work, number), "--out", f"out{number}"]
        subprocess.run(command, cwd=work, env=environment, check=True, capture_output=True)
        for path in (work / f"out{number}").iterdir():
            if path.is_file() and not path.name.endswith(".sigstore.json"):
                digest = hashlib.sha256(path.read_bytes()).hexdigest()
                found.setdefault(path.name, set()).add(digest)
    print(f"\nten exports of {'the stand-in' if source is None else 'the real network'}")
    for name, digests in found.items():
        print(f"  {name:<52} {len(digests)} digest: {min(digests)}")
    return [target(f"digests of {name}", len(digests), 1) for name, digests in found.items()]


def export_elsewhere(source: tuple[str, str] | None, work: Path, number: int) -> list[str]:
    """Return what exports from copies with other names; without a source, what rehearses."""
    if source is None:
        return [*TOOL, "rehearse"]
    upstream, checkpoint = source
    weights = shutil.copy(checkpoint, work / f"weights{number}.pth")
    checkout = shutil.copytree(upstream, work / f"checkout{number}", symlinks=True)
    recipe = os.environ.get("RECIPE", "u2netp")
    command = [*TOOL, "export", "--upstream-dir", str(checkout), "--checkpoint", str(weights)]
    return [*command, "--unpinned-checkpoint", "--recipe", recipe]


def sign_files(place: Path, size: int, count: int) -> list[str]:
    """Make and sign files of random bytes; return their paths."""
    command = [*PYTHON, str(BENCH / "sign_files.py"), str(place), MODEL, str(size), str(count)]
    subprocess.run(command, check=True)
    return [str(place / str(number) / MODEL) for number in range(count)]


def believing(root: Path) -> list[str]:
    """Return what makes `verify` believe a rehearsal's files, without words."""
    return ["--repo", REPO, "--trusted-root", str(root), "--offline", "--quiet"]


def bench_verify(place: Path) -> list[bool]:
    """Compare a verdict with sigstore-python's verifier and its command line."""
    signed = place / "signed"
    model, *_ = models = sign_files(signed, MODEL_BYTES, 100)
    config, root = signed / "trust_config.json", signed / "trusted_root.json"
    verify, trusting = [*TOOL, "verify"], believing(root)
    bare = [*PYTHON, str(BENCH / "bare_verify.py")]
    one, many, script, command = (
        "release-tool verify, a model of 5 MB",
        "release-tool verify, 100 of them",
        "bare script on sigstore's verifier",
        "sigstore verify identity --offline",
    )
    rivals = [
        Rival(one, [*verify, model, *trusting]),
        Rival(many, [*verify, *models, *trusting]),
        Rival(script, [*bare, model, str(config), IDENTITY, ISSUER]),
        Rival(command, [*sigstore(config), model]),
        Rival(f"{command}, 100 of them", [*sigstore(config), *models]),
        Rival("openssl sha256 of the 100, on all cores", hash_all(models)),
    ]
    measured = compare("verify, whole process", rivals, rounds=ROUNDS)
    return [
        ratio(measured, one, script, 1.05),
        ratio(measured, one, command, 1 / 1.1),
        ratio(measured, many, one, 3.0),
    ]


def bench_release(place: Path) -> list[bool]:
    """Compare the verdict on a whole release with the verdict on its model, and with rivals'."""
    release = rehearse(place / "release")
    alone = place / "alone"
    alone.mkdir()
    for name in (MODEL, f"{MODEL}.sigstore.json"):
        shutil.copy(release / name, alone)
    trust = release / "rehearsal"
    trusting = believing(trust / "trusted_root.json")
    whole, model, command, helping, nothing = (
        "release-tool verify, a whole release",
        "release-tool verify, its model and bundle alone",
        "sigstore verify identity --offline",
        "release-tool --help",
        "python -c pass",
    )
    rivals = [
        Rival(whole, [*TOOL, "verify", str(release), *trusting]),
        Rival(model, [*TOOL, "verify", str(alone / MODEL), *trusting]),
        Rival(command, [*sigstore(trust / "trust_config.json"), str(alone / MODEL)]),
        Rival(helping, [*TOOL, "--help"]),
        Rival(nothing, [*PYTHON, "-c", "pass"]),
        *gh_rivals(release, place),
    ]
    measured = compare("a whole release, whole process", rivals, rounds=ROUNDS)
    for rival in rivals[5:]:
        print(f"  report {whole} / {rival.name}: {quotient(measured, whole, rival.name):.2f}")
    return [
        ratio(measured, whole, model, 1.25),
        ratio(measured, whole, command, 1 / 1.9),
        ratio(measured, helping, nothing, 6.0),
    ]


def sigstore(config: Path) -> list[str]:
    """Return sigstore-python's own program, which is to believe a rehearsal."""
    command = [*PYTHON, "-m", "sigstore", "--trust-config", str(config), "verify", "identity"]
    return [*command, "--cert-identity", IDENTITY, "--cert-oidc-issuer", ISSUER, "--offline"]


def gh_rivals(release: Path, place: Path) -> list[Rival]:
    """Return GitHub's own verifier, reading files alone, where it is installed."""
    gh = shutil.which("gh")
    if gh is None:
        print("\ngh attestation verify: not measured, there is no gh on PATH")
        return []
    root = place / "trusted_root.jsonl"
    trusted = json.loads((release / "rehearsal" / "trusted_root.json").read_text())
    root.write_text(json.dumps(trusted) + "\n")
    bundle = release / f"{MODEL.removesuffix('.onnx')}.provenance.sigstore.json"
    command = [gh, "attestation", "verify", str(release / MODEL), "--bundle", str(bundle)]
    command += ["--custom-trusted-root", str(root), "--repo", REPO, "--cert-identity", IDENTITY]
    environment = {"HOME": str(place), "GH_TOKEN": "unused"}
    return [Rival("gh attestation verify, from files", command, environment)]


def hash_all(files: list[str]) -> list[str]:
    """Return what does nothing but hash files: no verdict on them can be faster than that."""
    cores = os.cpu_count() or 1
    script = f"printf '%s\\n' \"$@\" | xargs -P {cores} -n {len(files) // cores} openssl sha256"
    return ["sh", "-c", script, "sh", *files]


def bench_large(place: Path) -> list[bool]:
    """Verify a file of 1 GiB in bounded memory, about as fast as it can be hashed."""
    large = place / "large"
    (model,) = sign_files(large, 1024**3, 1)
    trusting = believing(large / "trusted_root.json")
    ours, theirs = "release-tool verify, 1 GiB", "sha256sum of it"
    rivals = [Rival(ours, [*TOOL, "verify", model, *trusting]), Rival(theirs, ["sha256sum", model])]
    measured = compare("a large file", rivals, rounds=3)
    return [
        target("memory in MiB", measured[ours].peak_bytes / MIB, 100),
        ratio(measured, ours, theirs, 1.1),
    ]


def main() -> None:
    """Measure everything and say at the end what was missed."""
    with tempfile.TemporaryDirectory(prefix="release-tool-bench-") as name:
        place = Path(name)
        parts = (
            bench_export,
            bench_reproducible,
            bench_verify,
            bench_release,
            bench_large,
            bench_transfers,
        )
        wanted = sys.argv[1:] or [part.__name__ for part in parts]
        results = [met for part in parts if part.__name__ in wanted for met in part(place)]
    print(f"\n{sum(results)} of {len(results)} targets met")
    print(json.dumps({"met": sum(results), "of": len(results)}))
    sys.exit(0 if all(results) else 1)


if __name__ == "__main__":
    main()
