"""Whatever bytes arrive at an endpoint."""

import pytest
from django.test import override_settings
from rest_framework.test import APIClient

from django_jwtauth import sessions
from tests.tools.http import BLACKLIST, REFRESH, RIGHT, TOKEN, VERIFY, assert_refused, bearer, rows, urls_and_methods

WRONG = {"username": "ada", "password": "wrong"}
# Whatever bytes arrive


DEEP = b"[" * 100_000 + b"]" * 100_000


@pytest.mark.parametrize(
    ("body", "content_type", "status"),
    [
        pytest.param(b"{", "application/json", 400, id="broken-json"),
        pytest.param(DEEP, "application/json", 400, id="deep-json"),
        pytest.param(b'{"username":' * 50_000, "application/json", 400, id="deep-objects"),
        pytest.param(b"\xff\xfe\x00", "application/json", 400, id="no-utf-8"),
        pytest.param(b"1" * 5000, "application/json", 400, id="huge-integer"),
        pytest.param(b'{"username": NaN}', "application/json", 400, id="nan"),
        pytest.param(b"null", "application/json", 400, id="null"),
        pytest.param(b"", "application/json", 400, id="nothing"),
        pytest.param(b"{}", "application/json; charset=nonsense", 400, id="unknown-charset"),
        pytest.param(b"{}", "application/json; charset=hex", 400, id="bytes-codec"),
        pytest.param(b"a=b", "application/x-www-form-urlencoded; charset=hex", 400, id="form-bytes-codec"),
        pytest.param(b"a=b", "application/x-www-form-urlencoded; charset=idna", 400, id="form-idna"),
        pytest.param(b"&".join([b"a=b"] * 2000), "application/x-www-form-urlencoded", 400, id="too-many-fields"),
        pytest.param(b"no", "multipart/form-data", 400, id="no-boundary"),
        pytest.param(b"--x\r\n", "multipart/form-data; boundary=x", 400, id="broken-multipart"),
        pytest.param(b"--x\r\n", "multipart/form-data; boundary=x; charset=hex", 400, id="multipart-bytes-codec"),
        pytest.param(b"<a/>", "application/xml", 415, id="xml"),
        pytest.param(b"{}", "nonsense", 415, id="no-media-type"),
    ],
)
@pytest.mark.parametrize("url", [TOKEN, REFRESH, VERIFY, BLACKLIST])
def test_a_body_that_cannot_be_read_is_a_4xx(db, url, body, content_type, status, caplog):
    response = APIClient(raise_request_exception=False).post(url, body, content_type=content_type)
    assert response.status_code == status
    assert "cache" not in caplog.text  # the cache is not blamed for it


def test_a_body_that_cannot_be_read_says_so(client, db):
    for body in (b"{", DEEP):
        for url in (TOKEN, REFRESH, VERIFY):
            response = client.post(url, body, content_type="application/json")
            assert set(response.json()) == {"detail"}
            assert response["Cache-Control"] == "no-store"


@pytest.mark.parametrize("url", [REFRESH, BLACKLIST, VERIFY])
def test_tokens_are_not_trimmed(client, pair, url):
    before = rows()
    for token in (f" {pair.refresh}", f"{pair.refresh}\n", f"{pair.refresh}="):
        response = client.post(url, {"refresh": token, "token": token}, format="json")
        assert_refused(response, "token_not_valid", "invalid")
    assert rows() == before


@pytest.mark.parametrize("signed_in", [True, False], ids=["signed-in", "anonymous"])
def test_every_method_gets_an_answer_that_no_cache_keeps(user, signed_in):
    client = APIClient(raise_request_exception=False)
    for url, method in urls_and_methods():
        headers = bearer(sessions.start(user).access) if signed_in else {}
        response = getattr(client, method)(url, {}, format="json", **headers)
        assert response.status_code < 500, (url, method)
        assert response["Cache-Control"] == "no-store", (url, method)


def test_options_and_wrong_methods_are_no_failed_sign_ins(client, user):
    with override_settings(JWTAUTH={"THROTTLE_RATES": {"login_address": "2/min", "login": "2/min"}}):
        for _ in range(5):
            client.get(TOKEN, RIGHT, REMOTE_ADDR="8.8.8.8")
            client.options(TOKEN, WRONG, REMOTE_ADDR="8.8.8.8")
        assert client.post(TOKEN, RIGHT, REMOTE_ADDR="8.8.8.8").status_code == 200
