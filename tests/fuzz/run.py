"""Fuzzes everything that reads untrusted bytes: `make fuzz FUZZ_SECONDS=600`.

Every target gets valid inputs, mutated at random, for so many seconds. It may refuse them with an
error of ours and nothing else: no other exception, no input that takes more than five seconds, no
more than 500 MiB of address space beyond what the interpreter had at the start.
"""

import contextlib
import io
import json
import os
import random
import resource
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pickles import make_checkpoint

from release_tool.checkpoint.formats import LEGACY_MAGIC
from release_tool.checkpoint.reader import open_checkpoint
from release_tool.cli.main import main as release_tool
from release_tool.core.digest import Sha256
from release_tool.core.errors import NotVerified, ReleaseToolError
from release_tool.gates.contract import check_contract
from release_tool.provenance.manifest import Manifest
from release_tool.recipes.u2netp import U2NETP
from release_tool.rehearsal.upstream import make_upstream
from release_tool.sigstore.check.bundle import parse_bundle
from release_tool.sigstore.check.root import parse_roots
from release_tool.sigstore.check.timestamps import check_timestamps
from release_tool.sigstore.trust.instance import TrustedRoot, trusted_root_of
from release_tool.sigstore.trust.signer import ExpectedSigner
from release_tool.verify.evidence import evidence_for_digest
from release_tool.verify.verdict import verify_release

LIMIT_BYTES = 500 * 1024 * 1024
LIMIT_SECONDS = 5
INTERESTING = [b"", b"\0", b"\xff" * 4, b"[" * 500, b'{"a":' * 100, b"1e999", b"-1", b"null", b"\n"]
VALUES: list[Any] = [None, True, -1, 0, 2**64, 1e308, "", "A" * 5000, [], {}, [[]], "AA==", "\0"]

Target = Callable[[bytes], object]
Make = Callable[[random.Random], bytes]


def mutate(random: random.Random, content: bytes, others: list[bytes]) -> bytes:
    """Change some bytes: flip, insert, delete, repeat, splice, or change the JSON they hold."""
    for _ in range(random.choice((1, 1, 1, 2, 4, 16))):
        at = random.randrange(len(content) + 1)
        span = random.choice((1, 1, 2, 4, 8, 64, 1024))
        match random.randrange(7):
            case 0:
                flipped = bytes([random.randrange(256) for _ in range(span)])
                content = content[:at] + flipped + content[at + span :]
            case 1:
                content = content[:at] + random.choice(INTERESTING) + content[at:]
            case 2:
                content = content[:at] + content[at + span :]
            case 3:
                content = content[:at] + content[at : at + span] * 3 + content[at:]
            case 4:
                other = random.choice(others)
                start = random.randrange(len(other))
                content = content[:at] + other[start : start + span] + content[at:]
            case 5:
                content = content[:at]
            case _:
                content = mutate_json(random, content)
    return content


def mutate_json(random: random.Random, content: bytes) -> bytes:
    """Replace or remove one value anywhere in a JSON document; other bytes stay as they are."""
    try:
        document = json.loads(content)
    except (ValueError, RecursionError):
        return content
    places = list(containers(document))
    if not places:
        return content
    place = random.choice(places)
    if not place:
        return content
    key = random.choice(list(place) if isinstance(place, dict) else list(range(len(place))))
    if random.random() < 0.2:
        del place[key]
    else:
        place[key] = random.choice([*VALUES, document, random.choice(places)])
    try:
        return json.dumps(document).encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError):
        return content


def containers(value: Any) -> Iterator[Any]:
    """Yield every object and array of a document."""
    if isinstance(value, dict | list):
        yield value
        for inner in value.values() if isinstance(value, dict) else value:
            yield from containers(inner)


def targets(place: Path) -> dict[str, tuple[Target, list[bytes], Make]]:
    """Make the targets, each with valid inputs and with what makes others, mostly of them."""
    out, upstream = place / "dist", make_upstream(place / "upstream")
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        release_tool(["rehearse", "--out", str(out), "--json"])
    read = {path.name: path.read_bytes() for path in out.iterdir() if path.is_file()}
    root = TrustedRoot((out / "rehearsal/trusted_root.json").read_bytes(), "fuzz")
    model = read["u2netp_mirror_v1.onnx"]
    digest = Sha256.of_bytes(model)
    signer = ExpectedSigner.of_publisher(upstream.recipe.publisher)
    bundles = [read[name] for name in read if name.endswith(".sigstore.json")]
    scratch = place / "scratch"

    def checkpoint(content: bytes) -> None:
        scratch.write_bytes(content)
        open_checkpoint(scratch, upstream.recipe, pinned=False)

    def contract(content: bytes) -> None:
        scratch.write_bytes(content)
        check_contract(scratch, U2NETP)

    def trusted_root(content: bytes) -> None:
        believed = trusted_root_of(content, "fuzz")
        verify_release(evidence_for_digest(digest, bundles[0]), signer, believed)

    def bundle(content: bytes) -> None:
        verify_release(evidence_for_digest(digest, content), signer, root)

    parsed = [parse_bundle(content, "a bundle") for content in bundles]
    stamps = {one.timestamps[0]: one.content.signature for one in parsed}

    def stamp(content: bytes) -> None:
        for signature in stamps.values():
            with contextlib.suppress(NotVerified):
                check_timestamps((content,), signature, parse_roots(root)[0])
                if content not in stamps:
                    raise AssertionError("a changed time stamp was accepted")

    def manifest(content: bytes) -> None:
        Manifest.parse(content, upstream.recipe.formats.manifest_schema)

    weights = upstream.checkpoint.read_bytes()
    mutated: dict[str, tuple[Target, list[bytes]]] = {
        "bundle": (bundle, bundles),
        "stamp": (stamp, list(stamps)),
        "manifest": (manifest, [read["u2netp_mirror_v1.manifest.json"]]),
        "trusted-root": (trusted_root, [root.content]),
        "checkpoint": (checkpoint, [weights, *legacy(place)]),
        "model": (contract, [model]),
    }
    made = {name: (target, corpus, mutations(corpus)) for name, (target, corpus) in mutated.items()}
    return {**made, "pickle": (checkpoint, [weights], make_pickles)}


def legacy(place: Path) -> list[bytes]:
    """Return a checkpoint in the legacy format, where torch is installed to write one."""
    try:
        import torch
    except ImportError:
        return []
    tensors = {"a.weight": torch.ones(2, 3), "a.running_var": torch.ones(2)}
    torch.save(tensors, place / "legacy.pth", _use_new_zipfile_serialization=False)
    return [(place / "legacy.pth").read_bytes()]


def mutations(corpus: list[bytes]) -> Make:
    """Return what mutates one of the valid inputs."""
    return lambda source: mutate(source, source.choice(corpus), corpus)


def make_pickles(source: random.Random) -> bytes:
    """Make a legacy checkpoint around a pickle of our own."""
    number, order = b"\x80\x02M\xe9\x03.", b"\x80\x02}X\x0d\x00\x00\x00little_endian\x88s."
    keys = b"\x80\x02]X\x01\x00\x00\x000a."
    made: bytes = make_checkpoint(source, LEGACY_MAGIC + number + order, keys)
    return made


def fuzz(name: str, target: Target, make: Make, seconds: float, seed: int) -> int:
    """Make inputs and call until the time is up; return how many were tried."""
    source, end, count = random.Random(seed), time.monotonic() + seconds, 0
    while time.monotonic() < end:
        content = make(source)
        count += 1
        signal.alarm(LIMIT_SECONDS)
        try:
            target(content)
        except ReleaseToolError:
            pass
        except BaseException:
            found = Path(tempfile.gettempdir()) / f"fuzz-{name}-{seed}-{count}"
            found.write_bytes(content)
            print(f"{name}: input {count} of seed {seed} broke it, kept as {found}")
            raise
        finally:
            signal.alarm(0)
    return count


def limit_memory() -> None:
    """Allow so much address space beyond what is in use now."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * os.sysconf("SC_PAGE_SIZE") + LIMIT_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def main() -> None:
    """Fuzz the named targets, or all, for so many seconds each."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 10.0
    seed = int(os.environ.get("FUZZ_SEED", time.time_ns() % 10**9))
    with tempfile.TemporaryDirectory(prefix="release-tool-fuzz-") as name:
        found = targets(Path(name))
        wanted = sys.argv[2:] or list(found)
        limit_memory()
        for title in wanted:
            target, corpus, make = found[title]
            for content in corpus:
                with contextlib.suppress(ReleaseToolError):
                    target(content)
            count = fuzz(title, target, make, seconds, seed)
            print(f"{title}: {count} inputs in {seconds:.0f} s, seed {seed}, nothing broke")


if __name__ == "__main__":
    main()
