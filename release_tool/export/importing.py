"""Serves upstream's modules to the interpreter from the bytes that were audited, and no others.

It runs in the worker only. The standard library and torch are there as usual; of what else is
installed only the distributions that the recipe names.
"""

import importlib.machinery
import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib.abc import Loader, MetaPathFinder
from importlib.metadata import PackageNotFoundError, packages_distributions, version
from importlib.util import spec_from_loader
from pathlib import PurePosixPath
from types import CodeType, FrameType, ModuleType

from release_tool.core.errors import InputError, UsageError

ORIGIN = "<upstream>/"
ADAPTER = "release_tool_adapter"
ADAPTER_FILE = f"{ADAPTER}.py"
USUAL = frozenset({"torch", "numpy"})
MACHINERY = ("<frozen importlib", importlib.machinery.__file__.replace("machinery", "__init__"))


@dataclass
class AuditedImporter(MetaPathFinder, Loader):
    """Finds modules among audited bytes; first of all finders while it is installed.

    `modules` are by path in the checkout, packages begin under `folder`. `others` are the paths of
    Python files that must not be executed. `ran` lists the paths that were.
    """

    folder: str
    modules: Mapping[str, bytes]
    others: frozenset[str]
    distributions: frozenset[str]
    ran: list[str] = field(default_factory=list)
    refused: InputError | None = None

    def __hash__(self) -> int:
        return id(self)

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,  # noqa: ARG002 - names alone decide
        target: ModuleType | None = None,  # noqa: ARG002
    ) -> importlib.machinery.ModuleSpec | None:
        """Return where a module of upstream's is; refuse one of the checkout that is not pinned."""
        place = self.folder + fullname.replace(".", "/")
        for candidate in (f"{place}/__init__.py", f"{place}.py", f"{fullname}.py"):
            if candidate in self.modules and (candidate != ADAPTER_FILE or fullname == ADAPTER):
                package = candidate.endswith("/__init__.py")
                return spec_from_loader(fullname, self, origin=candidate, is_package=package)
        if any(known.startswith(f"{place}/") for known in self.modules):
            # A package whose own file is not pinned: its modules can be imported, it is empty.
            return spec_from_loader(fullname, self, origin="", is_package=True)
        if called_by_upstream(inspect.currentframe()):
            self.refuse(fullname, place)
        return None

    def refuse(self, fullname: str, place: str) -> None:
        """Refuse what upstream's code must not import."""
        top = fullname.partition(".")[0]
        if top in sys.stdlib_module_names:
            return
        for candidate in (f"{place}.py", f"{place}/__init__.py"):
            if candidate in self.others:
                # Kept as well, because code that tries and goes on without would not show it.
                self.refused = self.refused or InputError(
                    f"{candidate} of the checkout is imported, and the recipe does not pin it",
                    hint="name it in upstream.modules, with its digest",
                )
                raise self.refused
        if top not in self.distributions | USUAL:
            raise ModuleNotFoundError(
                f"No module named {fullname!r} (upstream.distributions of the recipe does not "
                "name it)",
                name=fullname,
            )

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> None:
        """Leave the making of the module to the interpreter."""

    def exec_module(self, module: ModuleType) -> None:
        """Run the audited bytes of a module."""
        origin = module.__spec__.origin if module.__spec__ else ""
        if origin:
            self.ran.append(origin)
            exec(self.compiled(origin), module.__dict__)  # noqa: S102

    def compiled(self, path: str) -> CodeType:
        """Compile a module's bytes."""
        code: CodeType = compile(self.modules[path], ORIGIN + path, "exec", dont_inherit=True)
        return code

    def get_source(self, fullname: str) -> str | None:
        """Return a module's text, which `torch.jit.script` asks for."""
        spec = self.find_spec(fullname, None)
        return self.modules[spec.origin].decode() if spec and spec.origin else None


def called_by_upstream(frame: FrameType | None) -> bool:
    """Tell whether the import that is going on stands in a module of upstream's."""
    while frame is not None:
        name = frame.f_code.co_filename
        if name != __file__ and not name.startswith(MACHINERY):
            return name.startswith(ORIGIN)
        frame = frame.f_back
    return False


@contextmanager
def auditing(importer: AuditedImporter) -> Iterator[None]:
    """Put the importer before all others; raises `InputError` where it refused something."""
    sys.meta_path.insert(0, importer)
    try:
        yield
    finally:
        sys.meta_path.remove(importer)
        if importer.refused is not None:
            raise importer.refused


def import_names(distributions: Iterable[tuple[str, str]]) -> frozenset[str]:
    """Return what distributions let one import; raises `UsageError` for another version or none."""
    wanted = dict(distributions)
    for name, pinned in wanted.items():
        try:
            found = version(name)
        except PackageNotFoundError:
            found = "none"
        if found != pinned:
            raise UsageError(
                f"the recipe needs {name} {pinned}, and {found} is installed",
                hint=f"pip install '{name}=={pinned}'",
            )
    if not wanted:
        return frozenset()
    names = {name.lower().replace("_", "-") for name in wanted}
    return frozenset(
        module
        for module, owners in packages_distributions().items()
        if names & {owner.lower().replace("_", "-") for owner in owners}
    )


def place_in_source(traceback_lines: Iterable[tuple[str, int]]) -> str:
    """Return the last place in upstream's files among some (file, line), or nothing."""
    places = [
        f"{PurePosixPath(name.removeprefix(ORIGIN))} line {line}"
        for name, line in traceback_lines
        if name.startswith(ORIGIN)
    ]
    return places[-1] if places else ""
