"""Sign-in and refresh in the form of RFC 6749, for OAuth clients: a form with ``grant_type``.

The parser gives the parameters the names that our serializers and throttles know. So there is one sign-in and one
refresh, and only the names differ.
"""

import contextlib
import json
import re
from collections.abc import Mapping
from typing import Any, cast

from django.contrib.auth import get_user_model
from django.http import HttpResponse, QueryDict
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from ..errors import InvalidScopeError, InvalidTargetError
from ._base import JWTAuthView
from ._parsers import SafeFormParser, SafeJSONParser, SafeMultiPartParser

UNSUPPORTED_GRANT = "unsupported_grant_type"
_DESCRIPTION = re.compile(r"[\x20\x21\x23-\x5b\x5d-\x7e]+")  # RFC 6749 section 5.2
_RESPONSE_NAMES = {"access": "access_token", "refresh": "refresh_token"}  # section 5.1
_ERRORS = {
    status.HTTP_400_BAD_REQUEST: "invalid_request",
    status.HTTP_401_UNAUTHORIZED: "invalid_grant",
    status.HTTP_403_FORBIDDEN: "invalid_grant",
    # Not in section 5.2, but what clients know from section 4.1.2.1.
    status.HTTP_429_TOO_MANY_REQUESTS: "temporarily_unavailable",
    status.HTTP_503_SERVICE_UNAVAILABLE: "temporarily_unavailable",
}
BAD_REQUESTS = (_ERRORS[400], _ERRORS[401], UNSUPPORTED_GRANT, "invalid_scope", "invalid_target")
"""The value of ``error`` in a refusal with status 400."""


class OAuthForm(QueryDict):
    """A token request of RFC 6749, with our names for its parameters."""

    is_ambiguous = False
    """Whether a parameter is there twice (section 3.2). RFC 8707 allows it for ``resource``."""

    @classmethod
    def of(cls, form: QueryDict) -> "OAuthForm":
        """Return the form with our names. Parameters without a value are left out (section 3.2)."""
        names = _our_names()
        given = {name: form.getlist(name) for name in form if form.getlist(name) != [""]}
        translated = cls(mutable=True, encoding=form.encoding)
        # The parameters of the RFC come last: they win over others that happen to have our name.
        for name in sorted(given, key=names.__contains__):
            translated.setlist(names.get(name, name), given[name])
        translated.is_ambiguous = any(len(given[name]) > 1 for name in given if name != "resource")
        return translated


class OAuthFormParser(SafeFormParser):
    """Form bodies. A form with ``grant_type`` becomes an :class:`OAuthForm` where the view supports that."""

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Any:
        form = super().parse(stream, media_type, parser_context)
        is_oauth = form.get("grant_type") and parser_context["view"].oauth_grants
        return OAuthForm.of(form) if is_oauth else form


class OAuthGrantView(JWTAuthView):
    """The base of the views that answer token requests of RFC 6749 as well as our own."""

    oauth_grants: tuple[str, ...] = ()
    """The grant types that the view supports. Empty: a form with ``grant_type`` is nothing special."""
    parser_classes: Any = (SafeJSONParser, OAuthFormParser, SafeMultiPartParser)

    oauth_form: OAuthForm | None = None
    """The body, if the request is a token request of RFC 6749."""
    passed_on: Request | None = None
    """The request as another view has read it, if that view passes it on to this one."""

    def initialize_request(self, request: Any, *args: Any, **kwargs: Any) -> Request:
        made: Any = super().initialize_request(request, *args, **kwargs)
        if self.passed_on is not None:
            made.take_body(self.passed_on)
        return cast(Request, made)

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if self.oauth_grants and request._request.method == "POST" and isinstance(request.data, OAuthForm):
            self.oauth_form = request.data
        super().initial(request, *args, **kwargs)

    def refuse_oauth_form(self) -> Response | None:
        """Return the refusal of a token request that asks for another grant type, or is ambiguous."""
        form = self.oauth_form
        if form is None:
            return None
        if form.is_ambiguous:
            return _refusal("invalid_request", "A parameter is there more than once.")
        if form["grant_type"] not in self.oauth_grants:
            return _refusal(UNSUPPORTED_GRANT, f"The grant types here are: {', '.join(self.oauth_grants)}.")
        return None

    def with_oauth_names(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return the body of a successful response, with the names of RFC 6749 if that is what was asked for."""
        if self.oauth_form is None:
            return data
        return {_RESPONSE_NAMES.get(name, name): value for name, value in data.items()}

    def as_oauth_error(self, response: Any, error: str = "") -> Response:
        """Turn a refusal into one of RFC 6749 section 5.2, if that is what was asked for.

        Args:
            response: Our own refusal. Its members stay.
            error: The code, if the status does not say which.
        """
        code = error or _ERRORS.get(response.status_code)
        if code is None or self.oauth_form is None:
            return cast(Response, response)
        if not isinstance(response, Response):
            response = _as_data(response)
        names = {ours: name for name, ours in _our_names().items()}
        given: Mapping[str, Any] = response.data if isinstance(response.data, Mapping) else {}
        response.data = {**{names.get(name, name): value for name, value in given.items()}, "error": code}
        description = str(given.get("detail", ""))
        if _DESCRIPTION.fullmatch(description):  # a translation may have other characters
            response.data["error_description"] = description
        if code == "invalid_grant":
            # 401 is for clients that fail to authenticate, and there are no clients here.
            response.status_code = status.HTTP_400_BAD_REQUEST
            del response["WWW-Authenticate"]
        return cast(Response, response)

    def handle_exception(self, exc: Exception) -> Response:
        error = exc.code if isinstance(exc, InvalidScopeError | InvalidTargetError) else ""
        return self.as_oauth_error(super().handle_exception(exc), error)

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        response = super().finalize_response(request, response, *args, **kwargs)
        if self.oauth_form is not None:
            response["Pragma"] = "no-cache"  # RFC 6749 section 5.1
        return response


def _our_names() -> dict[str, str]:
    """Return our names of the parameters that the RFC names otherwise."""
    return {"username": get_user_model().USERNAME_FIELD, "refresh_token": "refresh"}


def _as_data(response: HttpResponse) -> Response:
    """Return Django's own response, which an ``EXCEPTION_HANDLER`` has made, as one whose members can be changed."""
    data: Any = {}
    with contextlib.suppress(ValueError):
        data = json.loads(response.content)
    made = Response(data, status=response.status_code, exception=True)
    for name, value in response.items():
        if name.lower() not in ("content-type", "content-length"):
            made[name] = value
    made.cookies = response.cookies
    return made


def _refusal(error: str, description: str) -> Response:
    body = {"error": error, "error_description": description}
    return Response(body, status=status.HTTP_400_BAD_REQUEST, exception=True)
