"""Which URLs keys may come from, and the parts of a URL."""

import pytest

from django_jwtauth._core.fetch import check_url, split_url
from tests.tools.products import each_row

URLS = {
    # URL: whether it will do, and whether it will where http is allowed
    "https://auth.example.com": (True, True),
    "https://auth.example.com/path?query": (True, True),
    "https://auth.example.com:8443/": (True, True),
    "HTTPS://AUTH.EXAMPLE.COM/": (True, True),
    "https://10.0.0.1/": (True, True),
    "http://auth.example.com/": (False, True),
    "http://10.0.0.1/": (False, True),
    "http://0.0.0.0/": (False, True),
    "http://127.0.0.1.example.com/": (False, True),
    "http://localhost.example.com/": (False, True),
    "http://[2001:db8::1]/": (False, True),
    "http://127.0.0.1/": (True, True),
    "http://127.9.9.9:8000/": (True, True),
    "http://[::1]:8000/": (True, True),
    "http://localhost:8000/": (True, True),
    "http://LOCALHOST/": (True, True),
    "https://user@auth.example.com/": (False, False),
    "https://user:password@auth.example.com/": (False, False),
    "https://@auth.example.com/": (False, False),
    "https://127.0.0.1@evil.example/": (False, False),
    "http://127.0.0.1:80@evil.example/": (False, False),
    "https://auth.example.com/#fragment": (False, False),
    "https://auth.example.com:port/": (False, False),
    "https://auth.example.com:99999/": (False, False),
    "https://[::1/": (False, False),
    "https://": (False, False),
    "https:///path": (False, False),
    "https:auth.example.com": (False, False),
    "//auth.example.com/": (False, False),
    "auth.example.com": (False, False),
    "": (False, False),
    "file:///etc/passwd": (False, False),
    "ftp://127.0.0.1/": (False, False),
    "data:application/json,{}": (False, False),
    "javascript:alert(1)": (False, False),
    "None": (False, False),
    "https://auth.example.com/\r\nHost: evil.example": (False, False),
    "https://auth.example.com/a b": (False, False),
    " https://auth.example.com/": (False, False),
    "https://auth.example.com/\x00": (False, False),
    "https://äuth.example.com/": (False, False),
}


@each_row("url", URLS, ids=ascii)
def test_urls_that_keys_may_come_from(url):
    for allow_http, good in zip([False, True], URLS[url], strict=True):
        if good:
            assert check_url(url, allow_http=allow_http) == url
        else:
            with pytest.raises(ValueError, match="URL") as caught:
                check_url(url, allow_http=allow_http)
            assert "password" not in str(caught.value)


@each_row(
    ("text", "parts"),
    [
        ("https://a.example/b", ("https", "a.example", "/b")),
        ("https://[x", ("", None, "")),
        ("https://", ("", None, "")),
        ("https:x", ("", None, "")),
        ("django-jwtauth", ("", None, "")),
    ],
)
def test_what_is_no_url_with_a_host_has_no_parts(text, parts):
    split = split_url(text)
    assert (split.scheme, split.hostname, split.path) == parts
