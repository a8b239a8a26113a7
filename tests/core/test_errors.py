"""The tree of errors and the table of exit codes agree."""

from release_tool.core import errors
from release_tool.core.errors import EXIT_CODES, InputError, ReleaseToolError
from release_tool.core.progress import SILENT


def test_every_error_has_an_exit_code_of_its_own_and_the_table_has_it():
    codes = [kind.exit_code for kind in ReleaseToolError.__subclasses__()]
    assert len(set(codes)) == len(codes)
    assert set(codes) | {0, 1} == set(EXIT_CODES)


def test_the_tree_is_drawn_at_the_top_of_the_module():
    for kind in ReleaseToolError.__subclasses__():
        assert f"{kind.__name__} " in str(errors.__doc__)
        assert f" {kind.exit_code} " in str(errors.__doc__)


def test_an_error_carries_its_message_and_its_advice():
    error = InputError("what happened", hint="what to do")
    assert (str(error), error.message, error.hint) == ("what happened",) * 2 + ("what to do",)


def test_the_silent_listener_says_nothing(capfd):
    with SILENT.stage("a"), SILENT.bar("b", 3) as advance:
        SILENT.note("c")
        advance(3)
    assert capfd.readouterr() == ("", "")
