"""An export is reproducible, kept apart from secrets, and writes nothing that failed a gate."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from dataclasses import replace
from pathlib import Path

import onnx
import pytest

from release_tool.checkpoint.reader import open_checkpoint
from release_tool.core.digest import Sha256
from release_tool.core.errors import GateError, InputError, UsageError
from release_tool.export.child import check_installed, child_environment, last_line, run_worker
from release_tool.export.job import Job
from release_tool.export.run import make_job, stored_as
from release_tool.recipes import layout
from release_tool.recipes.metadata import make_metadata
from release_tool.recipes.saliency import sample
from release_tool.rehearsal.upstream import MODULE, make_upstream

QUICK = (sample(32, 32),)


class Listener:
    """A progress listener that remembers what it was told."""

    def __init__(self) -> None:
        self.bars: list[tuple[str, int]] = []
        self.steps = 0

    def stage(self, name):
        return nullcontext()

    def note(self, text):
        pass

    @contextmanager
    def bar(self, name, total):
        self.bars.append((name, total))
        yield self.advance

    def advance(self, count):
        self.steps += count


def quick(inputs, **changes):
    """Give a recipe whose parity is measured at one small size."""
    return replace(inputs.recipe, parity=replace(inputs.recipe.parity, samples=QUICK), **changes)


def with_module(inputs, source: str):
    return replace(inputs.checkout, modules={"model/u2net.py": source.encode()})


def nothing_left(directory: Path) -> bool:
    return not directory.exists() or not list(directory.iterdir())


def test_the_export_has_the_interface_that_the_recipe_asks_for(inputs, model):
    proto = onnx.load(model)
    onnx.checker.check_model(proto, full_check=True)
    graph = proto.graph
    assert [item.version for item in proto.opset_import] == [17]
    assert ([item.name for item in graph.input], [item.name for item in graph.output]) == (
        ["input"], ["saliency_map"])  # fmt: skip
    assert not [node for node in graph.node if node.op_type == "Identity"]
    assert [item.name for item in graph.initializer] == [
        item.name for item in inputs.checkpoint.tensors if item.dtype == "float32"
    ]
    assert {item.key: item.value for item in proto.metadata_props} == make_metadata(
        inputs.recipe, inputs.checkpoint.digest
    )
    assert str(inputs.directory).encode() not in model.read_bytes()


def test_progress_is_told_step_by_step_and_the_report_is_complete(inputs, tmp_path, model):
    listener = Listener()
    export = inputs.export(tmp_path / "out/m.onnx", progress=listener)
    assert listener.bars == [("export", 16)]
    assert listener.steps == 16
    assert export.model.digest == Sha256.of_file(model)
    assert export.model.name == "m.onnx"
    assert export.skeleton == inputs.recipe.skeletons[0][1]
    assert [name for name, _ in export.toolchain] == [
        "python", "torch", "onnx", "onnxruntime", "numpy"]  # fmt: skip
    labels = [item.sample for item in export.parity.outputs]
    assert labels == [f"drawn at {size}" for size in ("32x32", "37x53", "64x96", "96x128")]
    for item in export.parity.outputs:
        assert 0 < item.onnxruntime.mean < item.onnxruntime.largest <= item.bounds.largest
    assert export.parity.unsaturated_share >= inputs.recipe.parity.bounds.unsaturated_share
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["m.onnx"]


def test_exports_in_processes_of_their_own_give_the_same_bytes(inputs, tmp_path, model):
    """Hash seed, directory, output path, threads, checkout and checkpoint path all differ.

    Four here; the benchmark makes ten.
    """
    script = (
        "import sys, os, pathlib, dataclasses\n"
        "from release_tool.chain.export import export_release\n"
        "from release_tool.upstream.sources import Source\n"
        "from release_tool.rehearsal.upstream import make_upstream\n"
        "place = pathlib.Path(sys.argv[1])\n"
        "made = make_upstream(place / 'in')\n"
        "parity = dataclasses.replace(made.recipe.parity, \n"
        "                             samples=made.recipe.parity.samples[:1])\n"
        "recipe = dataclasses.replace(made.recipe, parity=parity)\n"
        "checkpoint = made.checkpoint.rename(place / sys.argv[2])\n"
        "outcome = export_release(Source(made.checkout, checkpoint), recipe,\n"
        "                         place / sys.argv[3], os.environ)\n"
        "print(*(f'{file.name}={file.digest}' for file in outcome.release.files))\n"
    )

    def run(number: int) -> str:
        place = tmp_path / f"{'deep/' * number}{number}"
        place.mkdir(parents=True)
        environment = {
            **{name: value for name, value in os.environ.items() if "COVERAGE" not in name},
            "PYTHONHASHSEED": str(number),
            "OMP_NUM_THREADS": str(1 + number % 3),
            "MKL_NUM_THREADS": str(1 + number % 2),
            "LANG": ["C", "C.UTF-8"][number % 2],
            "TMPDIR": str(place),
        }
        done = subprocess.run(
            [sys.executable, "-P", "-c", script, str(place), f"c{number}.pth", f"out{number}"],
            cwd=place, env=environment, check=True, capture_output=True, text=True, timeout=120,
        )  # fmt: skip
        return done.stdout.strip()

    with ThreadPoolExecutor(2) as pool:
        printed = set(pool.map(run, range(4)))
    assert len(printed) == 1
    digests = dict(item.split("=") for item in printed.pop().split())
    made = [row for row in layout.FILES if row.made_by == "export" and row is not layout.NOTICE]
    assert digests.keys() == {row.name_in(inputs.recipe.names) for row in made}
    assert digests[inputs.recipe.names.model] == str(Sha256.of_file(model))


# --- checkpoints of another network


def test_a_checkpoint_of_another_network_is_refused_with_examples(inputs, tmp_path):
    source = MODULE.replace("self.fuse", "self.join")
    with pytest.raises(InputError, match=r"2 missing \(join.weight, .*\), 2 surplus \(fuse.weight"):
        inputs.export(tmp_path / "m.onnx", checkout=with_module(inputs, source))
    assert nothing_left(tmp_path)


def test_a_checkpoint_that_changes_meanwhile_is_noticed(inputs, tmp_path):
    made = make_upstream(tmp_path / "in")
    checkpoint = open_checkpoint(made.checkpoint, made.recipe)
    content = bytearray(made.checkpoint.read_bytes())
    content[len(content) // 2] ^= 1
    made.checkpoint.unlink()
    made.checkpoint.write_bytes(content)
    with pytest.raises(InputError, match="changed while it was exported"):
        inputs.export(tmp_path / "out/m.onnx", checkpoint=checkpoint)
    assert nothing_left(tmp_path / "out")


def test_full_parity_adds_the_large_sizes(inputs, tmp_path):
    parity = replace(inputs.recipe.parity, samples=(*QUICK, sample(40, 48, full=True)))
    recipe = replace(inputs.recipe, parity=parity)
    listener = Listener()
    export = inputs.export(tmp_path / "m.onnx", recipe=recipe, full_parity=True, progress=listener)
    labels = [item.sample for item in export.parity.outputs]
    assert labels == ["drawn at 32x32", "drawn at 40x48"]
    assert listener.steps == 10


# --- what the worker is and is not given


def test_no_secret_reaches_the_code_of_upstream(inputs, tmp_path):
    source = (
        "import os\n"
        "names = [n for n in os.environ if 'TOKEN' in n or 'SECRET' in n or 'KEY' in n]\n"
        "raise RuntimeError(f'seen={names} home={os.environ.get(\"HOME\")}')\n"
    )
    environment = {
        **os.environ, "GH_TOKEN": "x", "GITHUB_TOKEN": "x", "ACTIONS_ID_TOKEN_REQUEST_TOKEN": "x",
        "ACTIONS_ID_TOKEN_REQUEST_URL": "x", "AWS_SECRET_ACCESS_KEY": "x", "OMP_SECRET": "x",
    }  # fmt: skip
    with pytest.raises(InputError, match=r"RuntimeError: seen=\[\] home=None"):
        inputs.export(
            tmp_path / "m.onnx", checkout=with_module(inputs, source), environment=environment
        )


def test_the_environment_is_an_allowlist(tmp_path):
    given = {"PATH": "/bin", "OMP_NUM_THREADS": "2", "COVERAGE_PROCESS_CONFIG": "x", "HOME": "/h",
             "ACTIONS_RUNTIME_URL": "x", "LD_PRELOAD": "x", "MKL_TOKEN": "x"}  # fmt: skip
    passed = child_environment(given, tmp_path)
    assert passed == {
        "PATH": "/bin", "OMP_NUM_THREADS": "2", "COVERAGE_PROCESS_CONFIG": "x",
        "TMPDIR": str(tmp_path), "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip


def test_the_audited_bytes_are_run_and_what_they_print_disturbs_nothing(
    inputs, tmp_path, model, capfd
):
    """The checkout's directory may be gone by now; only its bytes count."""
    source = 'print("{\\"error\\": 1}" * 1000)\nimport sys; sys.stderr.write("x" * 99)\n' + MODULE
    checkout = replace(with_module(inputs, source), directory=tmp_path / "gone")
    export = inputs.export(tmp_path / "m.onnx", checkout=checkout, recipe=quick(inputs))
    assert export.model.digest == Sha256.of_file(model)
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("source", "words"),
    [
        (
            "raise ValueError('\\x1b[31mred')",
            r"ValueError: .*red \(model/u2net.py line 1\)",
        ),
        ("import os; os._exit(0)", "exit code 0"),
        ("import os; os.kill(os.getpid(), 9)", "signal 9"),
        ("def broken(:", "SyntaxError"),
        ("open('big', 'wb').truncate(10**10)", "too large"),
    ],
)
def test_upstream_code_that_fails_is_one_line_of_error(inputs, tmp_path, source, words):
    with pytest.raises((GateError, InputError), match=words) as caught:
        inputs.export(tmp_path / "m.onnx", checkout=with_module(inputs, source))
    assert "\n" not in caught.value.message
    assert nothing_left(tmp_path)


def test_a_worker_that_takes_too_long_is_stopped(inputs, tmp_path):
    job = make_job("export", inputs.checkout, inputs.checkpoint, inputs.recipe, full_parity=False)
    job.write(tmp_path)
    assert Job.read(tmp_path) == job
    with pytest.raises(GateError, match="took too long"):
        run_worker(tmp_path, os.environ, 0.0, lambda _steps: None)


def test_an_interrupt_ends_the_worker_and_leaves_nothing(inputs, tmp_path):
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    source = f"import os, time\nopen({str(fifo)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n"
    script = (
        "import sys, pathlib, dataclasses, signal\n"
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from release_tool.export.run import export_model\n"
        "from release_tool.rehearsal.upstream import make_upstream\n"
        "from release_tool.upstream.checkout import open_checkout\n"
        "from release_tool.checkpoint.reader import open_checkpoint\n"
        "place = pathlib.Path(sys.argv[1])\n"
        "made = make_upstream(place / 'in')\n"
        "checkout = dataclasses.replace(open_checkout(made.checkout, made.recipe),\n"
        "                               modules={'model/u2net.py': sys.argv[2].encode()})\n"
        "checkpoint = open_checkpoint(made.checkpoint, made.recipe)\n"
        "try:\n"
        "    export_model(checkout, checkpoint, made.recipe, place / 'out' / 'm.onnx')\n"
        "except KeyboardInterrupt:\n"
        "    sys.exit(130)\n"
    )
    (tmp_path / "tmp").mkdir()
    parent = subprocess.Popen(
        [sys.executable, "-P", "-c", script, str(tmp_path), source],
        # What lies on the path of modules may be opened.
        env={**os.environ, "TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": str(tmp_path)},
    )
    worker = int(fifo.read_text())
    parent.send_signal(signal.SIGINT)
    assert parent.wait(timeout=60) == 130
    with pytest.raises(ProcessLookupError):
        os.kill(worker, 0)
    assert nothing_left(tmp_path / "tmp")
    assert nothing_left(tmp_path / "out")


def test_a_worker_whose_parent_is_killed_ends_by_itself(inputs, tmp_path):
    """Its standard input closes; nothing else tells it."""
    job = make_job("export", inputs.checkout, inputs.checkpoint, inputs.recipe, full_parity=False)
    job.write(tmp_path)
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    (tmp_path / stored_as("model/u2net.py")).write_text(
        f"import time\nopen({str(fifo)!r}, 'w').write('here')\ntime.sleep(600)\n"
    )
    reader, writer = os.pipe()
    worker = subprocess.Popen(
        [sys.executable, "-P", "-m", "release_tool.export.worker", str(tmp_path), str(writer)],
        stdin=subprocess.PIPE, pass_fds=(writer,),
    )  # fmt: skip
    assert fifo.read_text() == "here"
    assert worker.stdin is not None
    worker.stdin.close()
    assert worker.wait(timeout=30) == 1
    os.close(reader)
    os.close(writer)


# --- where it is written


def test_an_existing_file_is_replaced_only_by_a_good_one(inputs, tmp_path):
    (tmp_path / "m.onnx").write_text("old")
    with pytest.raises(InputError):
        inputs.export(tmp_path / "m.onnx", checkout=with_module(inputs, "raise ValueError"))
    assert (tmp_path / "m.onnx").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["m.onnx"]


def test_an_output_directory_that_cannot_be_made_is_an_input_error_before_any_work(
    inputs, tmp_path
):
    (tmp_path / "file").touch()
    listener = Listener()
    with pytest.raises(InputError, match="cannot write to"):
        inputs.export(tmp_path / "file/m.onnx", progress=listener)
    assert listener.steps == 0


def test_no_private_directory_stays_behind(inputs, tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "tmp"))
    (tmp_path / "tmp").mkdir()
    with pytest.raises(InputError):
        inputs.export(tmp_path / "m.onnx", checkout=with_module(inputs, "raise ValueError"))
    assert nothing_left(tmp_path / "tmp")


def test_missing_packages_are_said_with_the_command_to_install_them():
    with pytest.raises(UsageError, match="needs no_such_package") as caught:
        check_installed(("json", "no_such_package"))
    assert caught.value.hint == "in a checkout of this tool: pip install '.[export]'"


def test_a_silent_worker_is_quoted_as_such(tmp_path):
    (tmp_path / "log.txt").touch()
    assert last_line(tmp_path / "log.txt") == "it said nothing"
    (tmp_path / "log.txt").write_text("first\nlast " + "x" * 10_000)
    assert len(last_line(tmp_path / "log.txt")) == 300


def test_a_report_survives_json(inputs, tmp_path):
    job = make_job("export", inputs.checkout, inputs.checkpoint, inputs.recipe, full_parity=True)
    job.write(tmp_path)
    fields = json.loads((tmp_path / "job.json").read_bytes())
    assert fields["checkpoint_sha256"] == str(inputs.checkpoint.digest)
    assert "token" not in json.dumps(fields).lower()
