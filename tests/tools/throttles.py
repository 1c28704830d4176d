"""Sign-ins and rates, to test what throttles count."""

import json

from django.test import RequestFactory, override_settings
from rest_framework.parsers import JSONParser
from rest_framework.request import Request

from tests.tools.http import TOKEN

PUBLIC = "203.0.113.7"


def rates(**given):
    """Set these rates, and switch all others off."""
    off = dict.fromkeys(["login", "login_address", "login_username", "refresh"])
    return override_settings(JWTAUTH={"THROTTLE_RATES": {**off, **given}})


def attempt(client, username="ada", password="wrong", address=PUBLIC, **extra):
    body = {"username": username, "password": password}
    return client.post(TOKEN, body, format="json", REMOTE_ADDR=address, **extra).status_code


def request(data, method="post"):
    made = getattr(RequestFactory(REMOTE_ADDR=PUBLIC), method)("/", json.dumps(data), content_type="application/json")
    return Request(made, parsers=[JSONParser()])
