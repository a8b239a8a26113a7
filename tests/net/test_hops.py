"""Where an address may be, and where a server may lead from it."""

import ipaddress

import pytest

from release_tool.core.errors import InputError
from release_tool.net.address import parse_address
from release_tool.net.hops import Hop
from release_tool.net.reach import is_public, is_this_machine

PUBLIC = ["93.184.216.34", "8.8.8.8", "2606:4700::6810:84e5", "64:ff9b::808:808"]
INWARD = """
0.0.0.0 0.1.2.3 10.0.0.1 100.64.0.1 100.100.100.200 127.0.0.1 127.255.0.1 168.63.129.16 169.254.0.1
169.254.169.254 172.16.0.1 172.31.255.255 192.0.0.192 192.0.2.1 192.168.0.1 198.18.0.1 224.0.0.1
239.1.1.1 240.0.0.1 255.255.255.255 :: ::1 ::7f00:1 ::ffff:10.0.0.1 ::ffff:127.0.0.1
::ffff:169.254.169.254 64:ff9b::a00:1 64:ff9b:1::a00:1 2002:a00:1:: 2001:0:0:1::1 2001:db8::1
fc00::1 fd00:ec2::254 fe80::1 fec0::1 ff02::1 4000::1 100::1
""".split()


@pytest.mark.parametrize("address", PUBLIC)
def test_an_address_of_the_internet_may_be_led_to(address: str):
    parsed = ipaddress.ip_address(address)
    assert is_public(parsed)
    Hop.given("https://a.example/").follow("https://b.example/").check("b.example", parsed)


@pytest.mark.parametrize("address", INWARD)
@pytest.mark.parametrize("given", ["https://a.example/", "http://127.0.0.1:1/"])
def test_no_server_leads_into_a_network_that_is_not_public(given: str, address: str):
    parsed = ipaddress.ip_address(address)
    assert not is_public(parsed)
    if is_this_machine(parsed):
        given = "https://a.example/"
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(InputError, match="redirects to"):
        Hop.given(given).follow(f"https://{host}/")
    with pytest.raises(InputError, match=r"redirects to b\.example"):
        Hop.given(given).follow("https://b.example/").check("b.example", parsed)


@pytest.mark.parametrize("target", ["http://localhost/", "https://localhost/", "https://[::1]/"])
def test_only_this_machine_leads_to_this_machine(target: str):
    assert Hop.given("http://127.0.0.1:1/").follow(target).local
    with pytest.raises(InputError):
        Hop.given("https://a.example/").follow(target)
    with pytest.raises(InputError):
        Hop.given("http://127.0.0.1:1/").follow("https://a.example/").follow(target)


def test_the_host_that_the_user_gave_may_be_anywhere_until_another_one_leads_back():
    inside = ipaddress.ip_address("192.168.1.5")
    home = Hop.given("https://nas.example/a").follow("/b")
    home.check("nas.example", inside)
    away = home.follow("https://b.example/").follow("https://nas.example/c")
    with pytest.raises(InputError, match=r"redirects to nas\.example, and 192\.168\.1\.5"):
        away.check("nas.example", inside)
    for other in ("https://nas.example:8443/", "https://other.example/"):
        hop = home.follow(other)
        with pytest.raises(InputError):
            hop.check(hop.address.host, inside)


@pytest.mark.parametrize(
    "host", ["127.1", "0x7f000001", "2130706433", "10.1", "a.localhost", "localhost."]
)
def test_an_address_in_another_form_is_still_one(host: str):
    with pytest.raises(InputError, match="is this machine or in a network"):
        Hop.given("https://a.example/").follow(f"https://{host}/")


def test_a_proxy_is_not_a_servers_choice():
    hop = Hop.given("https://a.example/").follow("https://b.example/")
    hop.check("proxy.example", ipaddress.ip_address("10.0.0.1"))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "u2netp.pth",
        "/etc/passwd",
        "file:///etc/passwd",
        "ftp://example.org/x",
        "http://example.org/x",
        "https://",
        "https:///x",
        "https://[",
        "https://exa\nmple.org/x",
        "https://" + "a" * 70_000,
        '"; curl https://example.org #',
        "javascript:alert(1)",
    ],
)
def test_what_is_no_https_address_is_refused(text: str):
    with pytest.raises(InputError, match="not an https address") as refusal:
        parse_address(text)
    assert "\n" not in str(refusal.value)


def test_an_address_with_a_password_is_refused_without_repeating_it():
    with pytest.raises(InputError, match="password") as refusal:
        parse_address("https://user:secret@example.org/x")
    assert "secret" not in str(refusal.value)


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "[::1]", "localhost"])
def test_plain_http_is_for_this_machine_only(host: str):
    assert parse_address(f"http://{host}/x").scheme == "http"
    assert parse_address("https://example.org/x").host == "example.org"
