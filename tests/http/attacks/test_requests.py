"""Odd headers and bodies: each gets an answer, and breaks nothing."""

import pytest
from rest_framework.test import APIClient

from tests.tools.attacks import SETUPS, everything
from tests.tools.odd_requests import CHARSETS, HEADERS, ODD, TYPES
from tests.tools.products import each_row, in_turn

# The header


@each_row(("form", "status"), HEADERS.values(), ids=HEADERS)
@each_row("path", ["/whoami/", "/stateless/"])
def test_the_header_is_bearer_a_space_and_a_token(form, status, path, good):
    response = APIClient().get(path, HTTP_AUTHORIZATION=form.format(good.access))
    assert response.status_code == status
    if status == 401:
        assert response["WWW-Authenticate"].startswith('Bearer realm="api"')
        assert good.access[:20] not in response.content.decode()


@each_row("name", ["access_token", "token", "authorization", "Authorization", "bearer"])
@each_row("path", ["/whoami/", "/stateless/"])
def test_a_token_anywhere_but_in_the_header_is_ignored(name, path, good):
    client = APIClient()
    client.cookies[name] = good.access
    for value in (good.access, f"Bearer {good.access}"):
        response = client.get(path, {name: value})
        assert response.status_code == 401
        assert response["WWW-Authenticate"] == 'Bearer realm="api"'  # it was not even looked at


# Bodies

POSTS = ("token", "token/refresh", "token/verify", "token/blacklist", "logout", "logout/all")


def is_short_4xx(response):
    return 400 <= response.status_code < 500 and len(response.content) < 2000


def assert_4xx(response):
    assert is_short_4xx(response), (response.status_code, response.content[:200])


# Bodies are read before any key is used.
one_issuer = pytest.mark.parametrize("issuer", list(SETUPS)[:1], indirect=True)


@one_issuer
@pytest.mark.parametrize("media_type", [*TYPES, "text/plain", "application/xml", "", "x", "multipart/form-data"])
def test_no_body_breaks_an_endpoint(media_type, good, caplog):
    before, broken = everything(), {}
    for name, body in ODD.items():
        for path in POSTS:
            response = APIClient().generic("POST", f"/auth/{path}/", body, content_type=media_type)
            if not is_short_4xx(response):
                broken[name, path] = response.status_code
    assert broken == {}
    assert everything() == before
    assert "cache is not available" not in caplog.text


@one_issuer
@pytest.mark.parametrize(
    ("charset", "media_type"),
    in_turn({each[:20] or "empty": each for each in CHARSETS}, {each: each for each in TYPES}),
)
def test_no_charset_breaks_an_endpoint(charset, media_type, good):
    before = everything()
    bodies = [
        b'{"refresh":"a","token":"a","username":"ada","password":"x"}',
        b"refresh=%FFa&token=%FF",
        b"\xff\xfea\x00",
    ]
    for path in POSTS:
        for body in [*bodies, ODD["multipart"]]:
            client = APIClient()
            assert_4xx(client.generic("POST", f"/auth/{path}/", body, content_type=f"{media_type}; charset={charset}"))
    assert everything() == before
