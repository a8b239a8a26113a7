"""The form on the page that Google Drive puts before a large file."""

import pytest

from release_tool.upstream.drive import find_download

ADDRESS = "https://drive.usercontent.google.com/download?id=abc&export=download"
FORM = (
    '<!DOCTYPE html><html><head><title>Virus scan warning</title></head><body>'
    '<form action="https://example.org/search"><input type="hidden" name="q" value="x"></form>'
    '<form id="download-form" action="{action}" method="get">'
    '<input type="submit" id="uc-download-link" value="Download anyway"/>'
    '<input type="hidden" name="id" value="abc">'
    '<input type="hidden" name="export" value="download">'
    '<input type="hidden" name="confirm" value="t">'
    '<input type="HIDDEN" name="uuid" value="1-2&amp;3">'
    "</form><form><input type='hidden' name='late' value='x'></form></body></html>"
)  # fmt: skip
MANY = "".join(f'<input type="hidden" name="n{number}">' for number in range(30))
ACTION = "https://drive.usercontent.google.com/download"


def page(action: str = ACTION, form: str = FORM) -> bytes:
    return form.format(action=action).encode()


def test_the_hidden_fields_of_the_form_become_the_address():
    found = find_download(page(), ADDRESS)
    assert found == f"{ACTION}?id=abc&export=download&confirm=t&uuid=1-2%263"


def test_what_the_forms_address_asks_for_already_stays():
    found = find_download(page(f"{ACTION}?id=old&amp;at=1"), ADDRESS)
    assert found == f"{ACTION}?id=abc&at=1&export=download&confirm=t&uuid=1-2%263"


@pytest.mark.parametrize("action", ["/download", "download"])
def test_a_form_may_lead_within_its_own_host(action: str):
    found = find_download(page(action), ADDRESS)
    assert found is not None
    assert found.startswith(f"{ACTION}?id=abc")


def test_an_older_page_leads_from_one_of_drives_hosts_to_the_other():
    assert find_download(page(), "https://drive.google.com/uc?id=abc") is not None


@pytest.mark.parametrize(
    "action",
    [
        "https://example.org/download",
        "https://drive.usercontent.google.com.example.org/download",
        "https://drive.usercontent.google.com:444/download",
        "https://user@drive.usercontent.google.com/download",
        "http://drive.usercontent.google.com/download",
        "http://127.0.0.1/download",
        "//169.254.169.254/latest",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "https://[",
        "",
    ],
)
def test_a_form_that_leads_elsewhere_is_not_followed(action: str):
    assert find_download(page(action), ADDRESS) is None


def test_another_hosts_page_does_not_lead_to_drive():
    assert find_download(page(), "https://example.org/x") is None


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"<html>Quota exceeded</html>",
        b"<form id='download-form'></form>",
        b"<form id='other' action='/download'></form>",
        b"\xff\xfe<<<form id=download-form action=",
        page(form=FORM.replace('name="uuid" value="', 'name="uuid" value="' + "x" * 500)),
        page(form=FORM.replace("</form>", f"{MANY}</form>")),
        b"<![unknown[ x ]]>" + page(),
        b"<" * 60_000,
        page(form=FORM.replace('name="uuid"', 'name=""')),
    ],
)  # fmt: skip
def test_a_page_without_a_usable_form_leads_nowhere(content: bytes):
    assert find_download(content, ADDRESS) is None
