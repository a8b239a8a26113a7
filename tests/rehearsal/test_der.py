"""DER is written as `cryptography` reads it, and read without trust."""

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from release_tool.core.errors import InputError
from release_tool.rehearsal.sigstore import der


@given(st.integers(0, 1 << 200))
def test_integers_come_back(value):
    assert der.read_one(der.integer(value), der.INTEGER).to_int() == value


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_elements_come_back_in_their_order(contents):
    written = der.sequence(*map(der.octet_string, contents))
    read = der.read_one(written, der.SEQUENCE)
    assert [child.content for child in read.children()] == contents
    assert read.whole == written


@given(st.binary(max_size=64))
def test_whatever_is_read_is_read_whole_or_refused(content):
    try:
        elements = list(der.read_elements(content))
    except InputError:
        return
    assert b"".join(element.whole for element in elements) == content


@pytest.mark.parametrize("dotted", ["1.3.6.1.4.1.57264.1.8", "2.5.29.17", "1.2.840.113549.1.7.2"])
def test_object_identifiers_are_those_of_cryptography(dotted):
    extension = x509.CertificatePolicies(
        [x509.PolicyInformation(x509.ObjectIdentifier(dotted), None)]
    )
    assert extension.public_bytes() == der.sequence(der.sequence(der.oid(dotted)))


def test_a_set_is_in_ascending_order():
    assert der.set_of(der.integer(2), der.integer(1)) == der.encode(
        der.SET, der.integer(1), der.integer(2)
    )


@pytest.mark.parametrize(
    "content",
    [
        b"\x30",
        b"\x1f\x01\x00",
        b"\x04\x05abc",
        b"\x04\x80",
        b"\x04\x85\x01\x01\x01\x01\x01",
        b"\x04\x82\x01",
        b"\x04\x81\x05hello",
        b"\x04\x82\x00\x90" + 144 * b"x",
    ],
)
def test_what_is_no_der_is_refused(content):
    with pytest.raises(InputError, match="malformed DER"):
        list(der.read_elements(content))


def test_another_element_than_the_expected_one_is_refused():
    with pytest.raises(InputError):
        der.read_one(der.integer(1) + der.integer(2), der.INTEGER)
    with pytest.raises(InputError):
        der.read_one(der.integer(1), der.SEQUENCE)
    with pytest.raises(InputError):
        der.read_one(der.octet_string(b""), der.OCTET_STRING).to_int()
