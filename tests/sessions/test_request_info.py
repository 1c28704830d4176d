"""What a request says about its client."""

import datetime
import ipaddress
import time

import pytest
from django.test import RequestFactory

from django_jwtauth import request_info
from django_jwtauth.models import RefreshToken
from tests.tools.products import each_row

CHROME = "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"


@each_row(
    ("peer", "forwarded", "num_proxies", "address"),
    [
        ("203.0.113.7", None, 0, "203.0.113.7"),
        ("203.0.113.7", "198.51.100.1", 0, "203.0.113.7"),
        ("10.0.0.1", "198.51.100.1", 1, "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6, 198.51.100.1", 1, "198.51.100.1"),
        ("10.0.0.1", "6.6.6.6,198.51.100.1,192.0.2.1", 2, "198.51.100.1"),
        ("10.0.0.1", "198.51.100.1", 3, "198.51.100.1"),
        ("10.0.0.1", None, 1, "10.0.0.1"),
        ("10.0.0.1", "unknown", 1, None),
        ("10.0.0.1", "198.51.100.1,", 1, None),
        ("", None, 0, None),
        (None, None, 0, None),
        ("unix:", None, 0, None),
        ("2001:db8::1", None, 0, "2001:db8::1"),
        ("::ffff:203.0.113.7", None, 0, "203.0.113.7"),
        ("fe80::1%eth0", None, 0, "fe80::1"),
        ("10.0.0.1", " 2001:DB8::1 ", 1, "2001:db8::1"),
    ],
)
def test_the_address_of_the_client(peer, forwarded, num_proxies, address):
    request = RequestFactory().get("/", REMOTE_ADDR=peer)
    if forwarded is not None:
        request.META["HTTP_X_FORWARDED_FOR"] = forwarded
    found = request_info.client_address(request, num_proxies=num_proxies)
    assert found == (address and ipaddress.ip_address(address))


@each_row(
    ("text", "address"),
    [
        ("203.0.113.7:51234", "203.0.113.7"),
        ("203.0.113.7:0", "203.0.113.7"),
        (" 203.0.113.7\t:1 ", None),
        ("203.0.113.7:", None),
        ("203.0.113.7:123456", None),
        ("203.0.113.7:http", None),
        ("203.0.113.7:1:2", None),
        ("203.0.113.7:\uff11", None),
        ("203.0.113.7:_obfuscated.port-1", "203.0.113.7"),
        ('"203.0.113.7:51234"', "203.0.113.7"),
        ("\t203.0.113.7\t", "203.0.113.7"),
        ("203.0.113.07", None),
        ("[2001:db8::7]", "2001:db8::7"),
        ("[2001:db8::7]:443", "2001:db8::7"),
        ('"[2001:DB8::7]:443"', "2001:db8::7"),
        ("[2001:db8::7]443", None),
        ("[2001:db8::7", None),
        ("2001:db8::7]", None),
        ("[[2001:db8::7]]", None),
        ("2001:db8:0:0:0:0:0:7:51234", "2001:db8::7"),
        ("fe80::1%eth0", "fe80::1"),
        ("fe80::1%25eth0", "fe80::1"),
        ("[fe80::1%eth0]:443", "fe80::1"),
        ("[::ffff:203.0.113.7]:443", "203.0.113.7"),
        ("::FFFF:203.0.113.7", "203.0.113.7"),
        ("unknown", None),
        ("Unknown:443", None),
        ("_hidden", None),
        ("_hidden:_port", None),
        ("client.example.com", None),
        ("203.0.113.7 198.51.100.1", None),
        ("203.0.113.7\x00", None),
        ("", None),
        ("[]", None),
        (":443", None),
        ("\ud800", None),
        ("1:" * 50_000, None),
    ],
)
def test_the_forms_in_which_proxies_write_an_address(text, address):
    assert request_info.parse_address(text) == (address and ipaddress.ip_address(address))
    request = RequestFactory().get("/", REMOTE_ADDR=text)
    assert request_info.client_address(request, num_proxies=0) == request_info.parse_address(text)


def forwarded(num_proxies, /, *, header=None, **meta):
    request = RequestFactory().get("/", REMOTE_ADDR="10.0.0.1", **meta)
    found = request_info.client_address(request, num_proxies=num_proxies, header=header)
    return found and str(found)


@each_row(
    ("sent", "num_proxies", "address"),
    [
        ("6.6.6.6, 203.0.113.7:22", 1, "203.0.113.7"),
        ("6.6.6.6,\t[2001:DB8::7]:443", 1, "2001:db8::7"),
        ("garbage, <script>, 203.0.113.7", 1, "203.0.113.7"),
        ('6.6.6.6, ", 203.0.113.7', 1, "203.0.113.7"),
        ('"6.6.6.6, 203.0.113.7', 1, "203.0.113.7"),
        (",, ,203.0.113.7", 1, "203.0.113.7"),
        # What the trusted proxies wrote counts, even if it cannot be read. What is left of it is the client's.
        ("6.6.6.6, unknown", 1, None),
        ("6.6.6.6,", 1, None),
        ("6.6.6.6, , 10.0.0.2", 2, None),
        ("6.6.6.6, _hidden, 10.0.0.2", 2, None),
        ("6.6.6.6, 203.0.113.7, unknown", 2, "203.0.113.7"),
        ("6.6.6.6, 203.0.113.7,", 2, "203.0.113.7"),
        ("  ", 1, "10.0.0.1"),
    ],
)
def test_a_client_can_neither_choose_its_address_nor_hide_it(sent, num_proxies, address):
    assert forwarded(num_proxies, HTTP_X_FORWARDED_FOR=sent) == address


@each_row(
    ("sent", "num_proxies", "address"),
    [
        ("for=203.0.113.7", 1, "203.0.113.7"),
        ("for=203.0.113.7", 0, "10.0.0.1"),
        ("FOR=203.0.113.7;Proto=https", 1, "203.0.113.7"),
        ('by=10.0.0.1 ; for="203.0.113.7:51234";host=example.com', 1, "203.0.113.7"),
        ('proto=https; For="[2001:DB8::7]:443"', 1, "2001:db8::7"),
        ('for="[2001:db8::7%25eth0]"', 1, "2001:db8::7"),
        ('for="203\\.0.113.7"', 1, "203.0.113.7"),
        ("for=[2001:db8::7]:443", 1, "2001:db8::7"),  # not quoted, as it must be
        ("for=6.6.6.6, for=203.0.113.7", 1, "203.0.113.7"),
        ("for=6.6.6.6, for=203.0.113.7, for=10.0.0.2", 2, "203.0.113.7"),
        ("for=203.0.113.7", 2, "203.0.113.7"),
        ("for=6.6.6.6, for=unknown", 1, None),
        ("for=6.6.6.6, for=_hidden", 1, None),
        ("for=6.6.6.6, proto=https", 1, None),
        ("for=6.6.6.6, ", 1, None),
        ("203.0.113.7", 1, None),
        # Quotation marks of the client do not swallow what the proxy appends.
        ('for="6.6.6.6, for=203.0.113.7', 1, "203.0.113.7"),
        ('for="6.6.6.6\\", for=203.0.113.7', 1, "203.0.113.7"),
        ('for="a, for=\\"6.6.6.6\\", for=203.0.113.7;host="a\\",b"', 1, "203.0.113.7"),
        # A proxy copies the host that the client sent, in a quoted string.
        ('for=203.0.113.7;host="a, for=6.6.6.6"', 1, "203.0.113.7"),
        ('host="a;for=6.6.6.6";for=203.0.113.7', 1, "203.0.113.7"),
        ('x-host="a;for=6.6.6.6";for=203.0.113.7', 1, "203.0.113.7"),
        ('host="a\\\\";for=203.0.113.7', 1, "203.0.113.7"),
        ("for=203.0.113.7;host=a;for=6.6.6.6", 1, "203.0.113.7"),
    ],
)
def test_the_header_of_rfc_7239(sent, num_proxies, address):
    assert forwarded(num_proxies, HTTP_FORWARDED=sent) == address
    assert forwarded(num_proxies, header="Forwarded", HTTP_FORWARDED=sent, HTTP_X_FORWARDED_FOR="6.6.6.6") == address


def test_of_two_headers_only_the_one_that_the_proxies_write_is_believed():
    both = {"HTTP_X_FORWARDED_FOR": "203.0.113.7", "HTTP_FORWARDED": "for=198.51.100.1"}
    assert forwarded(1, **both) == "203.0.113.7"
    assert forwarded(1, header="X-Forwarded-For", **both) == "203.0.113.7"
    assert forwarded(1, header="Forwarded", **both) == "198.51.100.1"
    assert forwarded(1, header="Forwarded", HTTP_X_FORWARDED_FOR="203.0.113.7") == "10.0.0.1"
    assert forwarded(1, header="X-Forwarded-For", HTTP_FORWARDED="for=198.51.100.1") == "10.0.0.1"


@each_row("character", ['"', "\\", ",", '\\"', ";a=", 'a="', "[", ":1"])
def test_a_long_header_takes_no_long_time(character):
    began = time.process_time()
    for name in ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED"):
        forwarded(1_000_000, **{name: character * 60_000})
        forwarded(1, **{name: character * 60_000})
    assert time.process_time() - began < 2


def test_without_a_request_nothing_is_known():
    assert request_info.client_address(None, num_proxies=0) is None
    assert request_info.user_agent(None) == ""


@each_row(
    ("address", "private"),
    [
        ("127.0.0.1", True),
        ("10.255.0.1", True),
        ("172.16.0.1", True),
        ("172.32.0.1", False),
        ("192.168.1.1", True),
        ("100.64.0.1", True),
        ("169.254.1.1", True),
        ("203.0.113.7", False),
        ("8.8.8.8", False),
        ("::1", True),
        ("fd12::1", True),
        ("fe80::1", True),
        ("2001:db8::1", False),
    ],
)
def test_private_addresses_are_those_of_local_networks(address, private):
    assert request_info.is_private(ipaddress.ip_address(address)) is private


@each_row(
    ("header", "kept"),
    [
        ("curl/8.5.0", "curl/8.5.0"),
        ("", ""),
        ("a\x00b\x1b[31mc\r\nd\u202e", "a b [31mc  d "),
        ("x" * 600, "x" * 512),
        ("\x00" * 600, " " * 512),
        ("\ud800", " "),
    ],
    ids=["usual", "empty", "control", "long", "long-control", "surrogate"],
)
def test_the_user_agent_is_cut_and_has_no_control_characters(header, kept):
    assert request_info.user_agent(RequestFactory().get("/", HTTP_USER_AGENT=header)) == kept


@each_row(
    ("text", "name"),
    [
        (CHROME.format("Windows NT 10.0; Win64; x64"), "Chrome on Windows"),
        (CHROME.format("Macintosh; Intel Mac OS X 10_15_7"), "Chrome on macOS"),
        (CHROME.format("Linux; Android 10; K"), "Chrome on Android"),
        (CHROME.format("X11; CrOS x86_64 14541.0.0"), "Chrome on ChromeOS"),
        (CHROME.format("Windows NT 10.0; Win64; x64") + " Edg/140.0.0.0", "Edge on Windows"),
        (CHROME.format("X11; Linux x86_64") + " OPR/120.0.0.0", "Opera on Linux"),
        ("Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0", "Firefox on Linux"),
        (
            "Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "Version/18.0 Mobile/15E148 Safari/604.1",
            "Safari on iPhone",
        ),
        (
            "Mozilla/5.0 (iPad; CPU OS 18_0 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
            "CriOS/140.0 Mobile/15E148 Safari/604.1",
            "Chrome on iPad",
        ),
        ("okhttp/4.12.0", "okhttp"),
        ("python-requests/2.32", "python-requests"),
        ("MyShop/3.1 (Android 14)", "Android"),
        ("Firefox/140.0", "Firefox"),
        ("(nothing)", ""),
        ("", ""),
        ("<script>alert(1)</script>", ""),
        ("x" * 512, "x" * 40),
    ],
)
def test_a_device_is_summarized(text, name):
    assert request_info.device_name(text) == name


NOW = 1_900_000_000.5


@each_row(
    ("value", "seconds"),
    [
        ("t=1899999990.500", 10),
        ("1899999990.5", 10),
        ("t=1899999990", 10.5),
        ("1899999990500", 10),
        ("t=1899999990500000", 10),
        (" t=1899999990.500 ", 10),
        ("t=1900000099", 0),
        ("t=1", NOW - 1),
        ("", 0),
        ("t=", 0),
        ("yesterday", 0),
        ("t=-1", 0),
        ("t=1899999990,t=1", 0),
        ("t=99999999999999999999999", 0),
        ("t=\u0661\u0668", 0),
    ],
)
def test_when_a_proxy_has_passed_a_request_on(rf, monkeypatch, value, seconds):
    monkeypatch.setattr("time.time", lambda: NOW)
    request = rf.get("/", HTTP_X_REQUEST_START=value)
    assert request_info.seconds_since_start(request, "X-Request-Start") == pytest.approx(seconds)
    assert request_info.seconds_since_start(request, "X-Queue-Start") == 0


@pytest.mark.django_db
@pytest.mark.parametrize(("ago", "outcome"), [(50, 200), (25, 401)])
def test_a_refresh_that_was_in_a_queue_is_judged_by_when_the_proxy_passed_it_on(pair, client, settings, ago, outcome):
    settings.JWTAUTH = {"REQUEST_START_HEADER": "X-Request-Start"}
    minute = datetime.timedelta(minutes=1)
    RefreshToken.objects.update(generation=1, rotated_at=pair.session.rotated_at - minute)
    headers = {"X-Request-Start": f"t={time.time() - ago:.3f}"}
    assert client.post("/auth/token/refresh/", {"refresh": pair.refresh}, headers=headers).status_code == outcome


@pytest.mark.django_db
def test_without_the_setting_the_header_of_a_client_is_not_believed(pair, client):
    minute = datetime.timedelta(minutes=1)
    RefreshToken.objects.update(generation=1, rotated_at=pair.session.rotated_at - minute)
    headers = {"X-Request-Start": f"t={time.time() - 50:.3f}"}
    assert client.post("/auth/token/refresh/", {"refresh": pair.refresh}, headers=headers).status_code == 401
