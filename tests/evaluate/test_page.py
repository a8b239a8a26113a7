"""The report holds the document's numbers, names everything it shows, and loads nothing."""

import json

import msgspec
import pytest

from release_tool.evaluate.report import page
from release_tool.evaluate.report.document import Evaluation
from tests.evaluate.conftest import RED_OVER_BLUE, draw_picture, encode
from tests.evaluate.networks import make_network
from tests.evaluate.pages import Page


@pytest.fixture(scope="module")
def reported(tmp_path_factory):
    """Two models compared on pictures with masks, by the command."""
    from release_tool.core.progress import SILENT
    from release_tool.evaluate import run
    from release_tool.evaluate.compare import ComparisonSettings

    place = tmp_path_factory.mktemp("reported")
    (place / "one.onnx").write_bytes(make_network(RED_OVER_BLUE))
    (place / "other.onnx").write_bytes(make_network((-1.0, 1.0, 0.5)))
    for folder in ("media", "masks"):
        (place / folder).mkdir()
    for number in range(3):
        picture = draw_picture(number, 70, 90)
        name = f"<b>{number}&.png"
        (place / "media" / name).write_bytes(encode(picture))
        (place / "masks" / name).write_bytes(encode(picture[..., 0]))
    compared = run.Compared(
        media=(place / "media",),
        incumbent=run.ModelFile(place / "other.onnx", "input"),
        masks=place / "masks",
        settings=ComparisonSettings(trained=(24, 32)),
    )
    model = run.ModelFile(place / "one.onnx", "input")
    run.evaluate(run.Request("u2netp", model, compared=compared), place / "out", SILENT)
    return place / "out"


@pytest.fixture(scope="module")
def read(reported) -> Page:
    return Page((reported / "evaluation.html").read_text())


@pytest.fixture(scope="module")
def document(reported):
    return json.loads((reported / "evaluation.json").read_bytes())


def test_the_page_loads_nothing_and_runs_nothing(read, reported):
    assert read.scripts == 0
    assert read.loaded
    assert all(address.startswith("data:") for address in read.loaded)
    text = (reported / "evaluation.html").read_text()
    assert "default-src 'none'; img-src data:" in text
    assert "@import" not in text
    assert "url(" not in text


def test_its_tables_hold_the_documents_numbers(read, document):
    shown = set(read.texts)
    for pair in document["comparison"]["pairs"]:
        for number in pair["summary"].values():
            assert page.shown(number) in shown
    for way in document["comparison"]["ways"]:
        for number in way["summary"].values():
            assert page.shown(number) in shown
    assert any(document["model"]["sha256"] in text for text in read.texts)


def test_every_number_says_what_it_is_to_the_keyboard_and_a_screen_reader(read):
    assert len(read.notes) > 100
    for note in read.notes:
        assert note["tabindex"] == "0"
        assert note["data-tip"]
        assert str(note["aria-label"]).endswith(str(note["data-tip"]))


def test_every_picture_has_a_name_and_a_size(read):
    # The picture, the difference, eight maps and two overlays of each.
    assert len(read.images) == 3 * 12
    assert all(image["alt"] and image["width"] and image["height"] for image in read.images)


def test_names_of_files_are_text_and_no_markup(read):
    assert {f"<b>{number}&.png" for number in range(3)} <= set(read.headings)


def test_the_worst_picture_comes_first(read, document):
    wanted = ("candidate/own-colour", "incumbent/own-colour")
    (pair,) = [p for p in document["comparison"]["pairs"] if (p["one"], p["other"]) == wanted]
    worst = min(pair["media"], key=lambda name: pair["media"][name]["iou"])
    assert next(text for text in read.headings if text.endswith(".png")) == worst


def test_what_is_better_is_said_in_words(read):
    assert {"↑ higher", "↓ lower"} <= set(read.texts)
    assert {"candidate", "incumbent"} & set(read.texts)


def test_pictures_beyond_the_room_are_linked(reported, monkeypatch):
    monkeypatch.setattr(page, "EMBEDDED_BYTES", 0)
    evaluation = msgspec.json.decode((reported / "evaluation.json").read_bytes(), type=Evaluation)
    linked = Page(page.render(evaluation, reported / "evaluation-pictures").decode())
    assert linked.images == []
    assert len(linked.links) == 3 * 12
    assert all(link.startswith("evaluation-pictures/%3Cb%3E") for link in linked.links)


def test_the_page_of_a_replay_alone_says_whether_it_holds(published, tmp_path):
    from release_tool.core.progress import SILENT
    from release_tool.evaluate import run

    request = run.Request(
        "small",
        run.ModelFile(published.model, "input"),
        published=run.Published(published.spec, published.files),
    )
    run.evaluate(request, tmp_path, SILENT)
    read = Page((tmp_path / "evaluation.html").read_text())
    assert any("within its bounds" in text for text in read.texts)
    assert read.images == []
