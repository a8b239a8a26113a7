"""A package index for a machine without a network: what is installed here, as tiny wheels.

Each wheel has the real name, version and requirements of an installed distribution, so that pip
resolves as it would on the index; instead of the files it carries a path to them.
"""

import hashlib
import re
import zipfile
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement

SKIPPED = re.compile(r"\.(dist-info|egg-info|pth)$|^(\.\.|__pycache__$)")


def make_wheelhouse(place: Path, roots: list[str]) -> Path:
    """Make wheels of `roots` and all that they need; return the directory for `--find-links`."""
    wheels, links = place / "wheels", place / "links"
    wheels.mkdir(parents=True)
    for found in closure(roots):
        make_wheel(found, wheels, links)
    return wheels


def lock(roots: list[str], wheels: Path) -> str:
    """Lock what `roots` need to the digests of their wheels here."""
    names = {canonical(found.metadata["Name"]) for found in closure(roots)}
    lines = []
    for wheel in sorted(wheels.iterdir()):
        name, version = wheel.name.split("-")[:2]
        if name in names:
            digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
            lines.append(f"{name}=={version} --hash=sha256:{digest}\n")
    return "".join(lines)


def closure(roots: list[str]) -> list[Distribution]:
    """Collect the distributions that requirements name, and theirs; optional ones if installed."""
    found: dict[str, Distribution] = {}
    waiting = [Requirement(root) for root in roots]
    seen = set()
    while waiting:
        requirement = waiting.pop()
        key = (canonical(requirement.name), frozenset(requirement.extras))
        if key in seen:
            continue
        seen.add(key)
        try:
            installed = distribution(requirement.name)
        except PackageNotFoundError:
            continue  # pip will say so, if it is needed after all
        found[key[0]] = installed
        for text in installed.requires or ():
            needed = Requirement(text)
            extras = ({"extra": extra} for extra in (*requirement.extras, ""))
            if needed.marker is None or any(needed.marker.evaluate(extra) for extra in extras):
                waiting.append(needed)
    return list(found.values())


def canonical(name: str) -> str:
    return re.sub(r"[-_.]+", "_", name).lower()


def make_wheel(installed: Distribution, wheels: Path, links: Path) -> None:
    """Write the wheel of one distribution, and the directory that its path leads to."""
    name, version = canonical(installed.metadata["Name"]), installed.version
    target = links / name
    target.mkdir(parents=True)
    for top in {file.parts[0] for file in installed.files or () if not file.is_absolute()}:
        if not SKIPPED.search(top):
            (target / top).symlink_to(Path(str(installed.locate_file(top))))
    notes = f"{name}-{version}.dist-info"
    members = {
        f"{name}_lies_elsewhere.pth": f"{target}\n",
        f"{notes}/METADATA": installed.read_text("METADATA") or "",
        f"{notes}/WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{member},,\n" for member in (*members, f"{notes}/RECORD"))
    with zipfile.ZipFile(wheels / f"{name}-{version}-py3-none-any.whl", "w") as archive:
        for member, content in (*members.items(), (f"{notes}/RECORD", record)):
            archive.writestr(member, content)
