"""Builds a recipe's network in the test's own process, as the worker does in its."""

import sys
from collections.abc import Iterable, Mapping

from release_tool.checkpoint.reader import Checkpoint
from release_tool.checkpoint.tensors import Tensor
from release_tool.export import building, fitting
from release_tool.export.importing import AuditedImporter, auditing
from release_tool.recipes.recipe import Recipe
from release_tool.rehearsal.upstream import MODULE

STANDIN = {"model/u2net.py": MODULE.encode()}


def build(recipe: Recipe, modules: Mapping[str, bytes] = STANDIN) -> building.Interface:
    """Build the network from modules that nothing else imported before or will find later."""
    importer = AuditedImporter(recipe.upstream.folder, modules, frozenset(), frozenset())
    before = set(sys.modules)
    try:
        with auditing(importer):
            network, upstream = building.build_network(recipe.network, recipe.adapter)
    finally:
        top = {path.removeprefix(importer.folder).split("/")[0] for path in modules}
        for name in set(sys.modules) - before:
            if {name.split(".")[0], f"{name.split('.')[0]}.py"} & top:
                del sys.modules[name]
    return building.Interface(network, upstream, recipe.inputs, recipe.outputs)


def load(interface: building.Interface, tensors: Iterable[Tensor]) -> building.Interface:
    """Give a network its weights."""
    fitting.load_tensors(interface.upstream, tensors)
    return interface


def loaded(recipe: Recipe, checkpoint: Checkpoint) -> building.Interface:
    """Build the stand-in with its weights."""
    return load(build(recipe), checkpoint.tensors)
