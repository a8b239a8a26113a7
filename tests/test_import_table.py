"""Imports point one way: the table of the design, kept by force."""

import ast
import importlib.util
from collections import Counter, defaultdict
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

import release_tool

ROOT = Path(str(importlib.util.find_spec("release_tool").origin)).parent  # type: ignore[union-attr]

EVERYONE = {"core", "recipes"}
STAGES = {
    "checkpoint": set(),
    "upstream": {"net"},
    # The worker writes a model with the very function that lineage reads it by.
    "export": {"checkpoint", "upstream", "gates"},
    "gates": {"checkpoint"},
    "evaluate": set(),
    "provenance": set(),
    "sigstore": set(),
    "github": {"net"},
    "compare": {"gates"},
    "verify": {"sigstore", "provenance", "gates"},
    "rehearsal": set(),
}
ALLOWED = {
    "core": set(),
    "recipes": {"core"},
    "net": {"core"},
    **{stage: EVERYONE | beyond for stage, beyond in STAGES.items()},
    "chain": EVERYONE | set(STAGES) - {"rehearsal"},
    "cli": EVERYONE | set(STAGES) | {"chain", "net"},
    "__main__": {"cli"},
    "__init__": set(),
}
DOORS = {
    "chain": {
        "draft",
        "export",
        "publish",
        "readiness",
        "reproduce",
        "register",
        "sign",
        "signed",
        "upload",
    },
    "checkpoint": {"reader", "tensors"},
    "compare": {"claims", "difference", "graph", "tensors"},
    "export": {"child", "look", "measured", "run"},
    "gates": {
        "contract",
        "difference",
        "graph",
        "lineage",
        "metadata",
        "proof",
        "skeleton",
        "wire",
    },
    "github": {
        "attestation",
        "client",
        "download",
        "finding",
        "origin",
        "plan",
        "preflight",
        "remote",
        "state",
        "target",
        "transaction",
        "transfer",
    },
    "net": {"address", "client", "exchange", "failures", "hops", "sockets", "token"},
    "rehearsal": {
        "github.faults",
        "github.standin",
        "outages",
        "sigstore.claims",
        "stack",
        "upstream",
    },
    "sigstore": {
        "check.bundle",
        "check.certificate",
        "check.claims",
        "check.policy",
        "check.refusal",
        "check.root",
        "check.signature",
        "sign.services",
        "sign.session",
        "sign.token",
        "trust.instance",
        "trust.signer",
    },
    "upstream": {"cache", "checkout", "download", "looking", "sources"},
}
"""The modules by which others may enter a stage, of those that have a door; the rest is private."""
MOST_MODULES = 20
HEAVY = {"torch": {"export"}, "onnxruntime": {"export", "evaluate"}, "onnx": {"export"}}


def modules() -> list[Path]:
    return sorted(ROOT.rglob("*.py"))


def stage_of(path: Path) -> str:
    return path.relative_to(ROOT).parts[0].removesuffix(".py")


def imports_of(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("stage", sorted({stage_of(path) for path in modules()}))
def test_a_stage_imports_only_what_the_table_allows(stage: str):
    for path in modules():
        if stage_of(path) != stage:
            continue
        ours = {name.split(".")[1] for name in imports_of(path) if name.startswith("release_tool.")}
        backward = ours - ALLOWED[stage] - {stage, "__version__"}
        assert not backward, f"{path.relative_to(ROOT)} imports {backward}"


def test_who_enters_a_stage_comes_through_its_door():
    past: set[str] = set()
    names = {".".join(path.relative_to(ROOT).with_suffix("").parts) for path in modules()}
    for path in modules():
        imported = {name.removeprefix("release_tool.") for name in imports_of(path)}
        for name in imported | {name.rpartition(".")[0] for name in imported}:
            stage, _, module = name.partition(".")
            inside = stage == stage_of(path) or module in DOORS.get(stage, {module})
            if name in names and not inside:
                past.add(f"{path.relative_to(ROOT)} imports {name}")
    assert not past, "a module that others may import is named in DOORS"


def loaded_with(path: Path) -> set[str]:
    """Name the modules of ours that are loaded when a module is, those inside functions not."""
    found: set[str] = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{node.module}.{alias.name}" for alias in node.names} | {str(node.module)}
    return {name for name in found if name.startswith("release_tool.")}


def test_no_module_is_loaded_by_what_it_loads():
    names = {
        ".".join(("release_tool", *path.relative_to(ROOT).with_suffix("").parts)): path
        for path in modules()
    }
    loads = {name: loaded_with(path) & names.keys() - {name} for name, path in names.items()}
    try:
        TopologicalSorter(loads).prepare()
    except CycleError as error:
        pytest.fail(f"a circle of imports: {' > '.join(error.args[1])}")


def test_every_stage_is_a_folder():
    assert {path.name for path in ROOT.glob("*.py")} == {"__init__.py", "__main__.py"}


def test_no_folder_has_more_modules_than_a_reader_can_take_in():
    folders = Counter(path.parent for path in modules())
    assert {str(folder): count for folder, count in folders.items() if count > MOST_MODULES} == {}


def test_a_class_name_means_one_thing_outside_the_rehearsal():
    places = defaultdict(list)
    for path in modules():
        if stage_of(path) != "rehearsal":
            for node in ast.parse(path.read_text()).body:
                if isinstance(node, ast.ClassDef):
                    places[node.name].append(path.name)
    assert {name: found for name, found in places.items() if len(found) > 1} == {}


def test_torch_and_onnx_are_imported_by_the_export_stage_alone():
    users = defaultdict(set)
    for path in modules():
        for name in imports_of(path):
            users[name.split(".")[0]].add(stage_of(path))
    for package, stages in HEAVY.items():
        assert users[package] <= stages, f"{package} is imported by {users[package]}"


def test_one_room_speaks_http():
    users = {
        stage_of(path)
        for path in modules()
        for name in imports_of(path)
        if name.split(".")[0] in {"httpx", "httpcore"}
    }
    assert users == {"net"}


def test_no_identity_is_compared_by_pattern_prefix_or_case():
    """Matching an identity loosely is how somebody else's repository gets believed."""
    for name in (
        "sigstore/trust/signer.py",
        "sigstore/check/policy.py",
        "sigstore/check/claims.py",
    ):
        text = (ROOT / name).read_text()
        for loose in (
            ".lower()",
            ".casefold()",
            ".startswith(",
            "re.match",
            "re.search",
            "fnmatch",
        ):
            assert loose not in text, f"{name} uses {loose}"


def test_modules_and_functions_stay_within_their_budget():
    for path in modules():
        text = path.read_text()
        assert text.count("\n") <= 350, f"{path.name} is too long"
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef) and node.end_lineno:
                length = node.end_lineno - node.lineno + 1
                assert length <= 60, f"{path.name}: {node.name} has {length} lines"


def test_the_package_is_typed_and_has_a_version():
    assert (ROOT / "py.typed").exists()
    assert release_tool.__version__.count(".") == 2
