"""What the gates see of a changed export, one change at a time, on drawn weights."""

import pytest

from release_tool.core.errors import GateError
from release_tool.export.parity import make_references
from release_tool.export.run import make_samples
from release_tool.gates.lineage import check_lineage
from tests.export.built import loaded
from tests.export.power import CHANGES, Judge, changed


@pytest.fixture(scope="module")
def judge(inputs, tmp_path_factory):
    network = loaded(inputs.recipe, inputs.checkpoint)
    samples = make_samples(inputs.recipe.parity.chosen(full=False))
    place = tmp_path_factory.mktemp("power")
    return Judge(make_references(network, samples, place, lambda: None), inputs.recipe, place)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.name)
def test_a_change_is_refused_by_parity_or_moves_no_output_by_a_grey_level(
    change, judge, model, inputs
):
    judge.hold(changed(model.read_bytes(), change), change)
    with pytest.raises(GateError):
        check_lineage(judge.path, inputs.checkpoint, inputs.recipe)


def test_an_honest_export_passes_both(judge, model, inputs):
    judge.measure(model.read_bytes())
    check_lineage(judge.path, inputs.checkpoint, inputs.recipe)


def test_the_table_is_large_and_its_names_differ():
    assert len({change.name for change in CHANGES}) == len(CHANGES) >= 25
