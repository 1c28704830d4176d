"""Whatever bytes arrive at an endpoint."""

import asyncio
import io
import tracemalloc

import pytest
from asgiref.sync import async_to_sync
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.files.uploadhandler import MemoryFileUploadHandler
from django.core.handlers.asgi import ASGIHandler
from django.test import override_settings
from django.urls import path
from rest_framework.response import Response
from rest_framework.test import APIClient

from django_jwtauth import sessions
from django_jwtauth.views import AuthenticatedView
from tests.tools.cookie_jar import ACCESS
from tests.tools.http import (
    BLACKLIST,
    LOGOUT,
    REFRESH,
    RIGHT,
    TOKEN,
    VERIFY,
    assert_refused,
    bearer,
    rows,
    urls_and_methods,
)
from tests.tools.products import each_row

WRONG = {"username": "ada", "password": "wrong"}
# Whatever bytes arrive


DEEP = b"[" * 100_000 + b"]" * 100_000


@each_row(
    ("body", "content_type", "status"),
    [
        pytest.param(b"{", "application/json", 400, id="broken-json"),
        pytest.param(DEEP, "application/json", 400, id="deep-json"),
        pytest.param(b'{"username":' * 20_000, "application/json", 400, id="deep-objects"),
        pytest.param(b"[" + b"0," * 15_000_000 + b"0]", "application/json", 413, id="long-json"),
        pytest.param(b"a=" + b"b" * 256 * 1024, "application/x-www-form-urlencoded", 413, id="long-form"),
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
@each_row("url", [TOKEN, REFRESH, VERIFY, BLACKLIST])
def test_a_body_that_cannot_be_read_is_a_4xx(db, url, body, content_type, status, caplog):
    response = APIClient(raise_request_exception=False).post(url, body, content_type=content_type)
    assert response.status_code == status
    assert "cache" not in caplog.text  # the cache is not blamed for it


class CutOff(io.BytesIO):
    """What some servers pass on if the client goes away in the middle of its body."""

    def read(self, size=-1):
        raise OSError("connection reset by peer")


@pytest.mark.parametrize("content_type", ["application/json", "application/x-www-form-urlencoded"])
@pytest.mark.parametrize("url", [TOKEN, REFRESH, VERIFY, BLACKLIST])
def test_a_body_that_is_cut_off_is_no_error_of_the_server(db, url, content_type, caplog):
    client = APIClient(raise_request_exception=False)
    sent = {"wsgi.input": CutOff(), "CONTENT_LENGTH": "100"}
    assert client.generic("POST", url, content_type=content_type, **sent).status_code == 400
    assert not [record for record in caplog.records if record.exc_info]


class Upload(AuthenticatedView):
    authentication_classes = permission_classes = ()
    max_body_size = 1000

    def post(self, request):
        return Response(request.data)


urlpatterns = [path("upload/", Upload.as_view())]


@pytest.mark.urls(__name__)
def test_a_view_may_have_a_limit_of_its_own(client):
    answers = [client.post("/upload/", b" " * spaces + b"{}", content_type="application/json") for spaces in (998, 999)]
    assert [answer.status_code for answer in answers] == [200, 413]
    assert answers[1].json() == {"detail": "The request is too large."}


def test_a_long_body_is_not_read(client, user):
    body = b"[" + b"0," * 15_000_000 + b"0]"
    tracemalloc.start()
    try:
        assert client.generic("POST", TOKEN, body, content_type="application/json").status_code == 413
        assert tracemalloc.get_traced_memory()[1] < 2 * len(body)  # the test client has one copy
    finally:
        tracemalloc.stop()


def status_of_stream(url, body, length):
    """Send a body as a server with an event loop passes it on that has come in chunks, beside a ``Content-Length``."""
    arriving = [{"type": "http.request", "body": body}]
    sent = []

    async def receive():
        return arriving.pop() if arriving else await asyncio.sleep(60)

    async def send(message):
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": url, "query_string": b"", "client": ("127.0.0.1", 5)}
    headers = {b"host": b"testserver", b"content-type": b"application/json"}
    if length is not None:
        headers[b"content-length"] = length
    async_to_sync(ASGIHandler())({**scope, "headers": [*headers.items()]}, receive, send)
    return sent[0]["status"]


@pytest.mark.parametrize("length", [b"5", b"+1048580", b"1_048_580", b" 1048580", b"-5"])
def test_what_the_client_says_of_the_length_does_not_count(length, transactional_db):
    body = b"[" + b"0," * 512 * 1024 + b"0]"
    assert status_of_stream(TOKEN, body, length) == 413


@pytest.mark.parametrize(("length", "status"), [(b"12", 401), (b"x", 400), (None, 400)])
def test_a_short_body_is_read_if_there_is_a_length(length, status, transactional_db):
    body = b'{"username": "ada", "password": "wrong"}'
    assert status_of_stream(TOKEN, body, length) == status


@pytest.mark.parametrize("length", ["+300000", " 300000", "300_000", "-1"])
def test_a_length_that_only_some_can_read_is_a_length(client, length):
    """For servers with threads, which pass on what they have read up to it."""
    body = b"a=" + b"b" * 299_998
    answer = client.generic(
        "POST", TOKEN, body, content_type="application/x-www-form-urlencoded", CONTENT_LENGTH=length
    )
    assert answer.status_code == (400 if length == "-1" else 413)


class Watching(MemoryFileUploadHandler):
    """Notes which files are received."""

    seen = []

    def new_file(self, field_name, *args, **kwargs):
        self.seen.append(field_name)
        super().new_file(field_name, *args, **kwargs)


@pytest.mark.parametrize("url", ["/auth/browser/login/", "/auth/browser/refresh/", LOGOUT])
def test_the_csrf_check_reads_no_long_body_either(url, pair, settings):
    """It looks for its token in a form. Files of any length would be received before."""
    settings.FILE_UPLOAD_HANDLERS = [f"{__name__}.Watching"]
    client = APIClient(enforce_csrf_checks=True)
    client.cookies[ACCESS], client.cookies["csrftoken"] = pair.access, "a" * 32
    for length, status, seen in ((1000, 403, ["file"]), (256 * 1024, 413, [])):
        Watching.seen.clear()
        file = SimpleUploadedFile("file", b"x" * length)
        assert client.post(url, {"file": file}, format="multipart").status_code == status
        assert Watching.seen == seen


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
