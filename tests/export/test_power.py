"""What the gates see of a changed export, one change at a time, on drawn weights."""

import pytest

from release_tool.core.errors import GateError
from release_tool.export import convert
from release_tool.export.parity import make_references
from release_tool.export.run import make_job
from release_tool.gates.lineage import check_lineage
from release_tool.rehearsal.upstream import MODULE
from tests.export.power import CHANGES, Judge, changed


@pytest.fixture(scope="module")
def judge(inputs, tmp_path_factory):
    job = make_job("parity", inputs.checkpoint, inputs.recipe, full_parity=False)
    network = convert.build_network(MODULE.encode(), job)
    convert.load_tensors(network, inputs.checkpoint.tensors)
    selected = convert.SelectedOutput(network, job.selected_output).eval()
    place = tmp_path_factory.mktemp("power")
    return Judge(make_references(selected, job.inputs, place, lambda: None), job, place)


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
