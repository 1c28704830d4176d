"""Views with permission classes, and tokens for them."""

import enum

import pytest
from rest_framework.permissions import BasePermission
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView

from django_jwtauth import conf, sessions
from django_jwtauth._core import jws
from django_jwtauth.authentication import JWTAuthentication, StatelessJWTAuthentication
from tests.tools.http import bearer

METHODS = ["GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE", "TRACE"]
BOTH = pytest.mark.parametrize("authentication", [JWTAuthentication, StatelessJWTAuthentication])
PLAIN = 'Bearer realm="api"'
NOT_ALLOWED = "You do not have permission to perform this action."


class Nobody(BasePermission):
    def has_permission(self, request, view):
        return False


class ClosedObject(BasePermission):
    def has_object_permission(self, request, view, obj):
        return obj != "closed"


def view(*permissions, authentication=JWTAuthentication, obj=None):
    class View(APIView):
        authentication_classes = [authentication]
        permission_classes = permissions

        def get(self, request):
            if obj is not None:
                self.check_object_permissions(request, obj)
            return Response("in")

        post = put = patch = delete = trace = get

    return View.as_view()


def ask(asked, raw=None, *, method="GET"):
    return asked(APIRequestFactory().generic(method, "/", **(bearer(raw) if raw else {})))


def verdict(asked, raw=None, *, method="GET"):
    response = ask(asked, raw, method=method)
    error = response.get("WWW-Authenticate", "").partition('error="')[2].partition('"')[0]
    return f"{response.status_code} {error}".strip()


def token(user, **changes):
    """Return a token of ours with changed claims; ``...`` leaves one out."""
    config = conf.get_config()
    claims = {**config.verifier.verify(sessions.start(user).access).claims, **changes}
    claims = {name: value for name, value in claims.items() if value is not ...}
    return jws.sign(claims, typ="at+jwt", key=config.signing_keys.signing_key)


# Claims


class Role(enum.StrEnum):
    ADMIN = "admin"
