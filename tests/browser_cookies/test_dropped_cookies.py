"""Secure cookies that come over http, which a browser drops: the log says so while somebody develops."""

import pytest
from rest_framework.test import APIClient

from tests.tools.cookie_jar import RIGHT


def sign_in_at(host, **more):
    client = APIClient()
    return client.post("/auth/browser/login/", RIGHT, format="json", SERVER_NAME=host, **more)


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("host", "debug", "secure_request", "secure_cookies", "told"),
    [
        ("dev.example.com", True, False, True, True),
        ("192.0.2.7", True, False, True, True),
        ("localhost", True, False, True, False),
        ("shop.localhost", True, False, True, False),
        ("127.0.0.1", True, False, True, False),
        ("[::1]", True, False, True, False),
        ("dev.example.com", False, False, True, False),  # a proxy may speak https for it
        ("dev.example.com", True, True, True, False),
        ("dev.example.com", True, False, False, False),
    ],
)
def test_a_developer_is_told_that_browsers_drop_the_cookies(
    user, settings, caplog, host, debug, secure_request, secure_cookies, told
):
    settings.DEBUG = debug
    settings.JWTAUTH = {"COOKIES": {"secure": secure_cookies}}
    for _ in range(2):  # and told once
        assert sign_in_at(host, secure=secure_request).status_code == 200
    said = [record.getMessage() for record in caplog.records if record.name == "django_jwtauth"]
    assert len(said) == told
    assert all("{'secure': not DEBUG}" in text for text in said)
