"""The endpoints: their requests and responses."""

import functools
import re
from collections.abc import MutableMapping
from typing import Any
from uuid import UUID
from weakref import WeakKeyDictionary

from django.conf import settings
from drf_spectacular.extensions import OpenApiSerializerExtension, OpenApiViewExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework.permissions import AllowAny, IsAuthenticated

from ... import browser_views, conf, serializers, views
from ...authentication import CookieMixin
from ...browser_views import BrowserCSRFView, BrowserView
from ...csrf import SAFE_METHODS
from ...models import RefreshToken
from . import bodies
from .authentication import REFRESH_SCHEME, cookie_definition, register_scheme, require_csrf
from .operations import OPERATIONS, Operation, operations_of

FORM = "application/x-www-form-urlencoded"

GRANTS = {"password": "JWTPasswordGrant", "refresh_token": "JWTRefreshGrant"}
"""The components that describe a form, by grant type."""

_SENTENCES = {
    400: "The body cannot be read.",
    401: "The request has no access token, or one that is refused; `reason` says why.",
    403: "The request may not do this.",
    406: "The response cannot be of the type that was asked for.",
    413: "The body is too long.",
    415: "A body of this type cannot be read.",
    429: "There were too many requests: see `Retry-After`.",
    503: "Tokens cannot be checked or issued at the moment: keep yours, and see `Retry-After`.",
}
_BODIES = {
    serializers.TokenSerializer: ("JWTCredentials", "Who signs in."),
    serializers.RefreshSerializer: ("JWTRefreshToken", "A refresh token."),
    serializers.TokenRefreshSerializer: ("JWTRefreshRequest", "A refresh token, and what it is exchanged for."),
    serializers.ScopeAndResourceSerializer: ("JWTScopeAndResource", "What the access token is for."),
    serializers.VerifySerializer: ("JWTAnyToken", "A token."),
    serializers.OAuthTokenSerializer: ("JWTTokenAndHint", "A token, and perhaps its kind."),
    serializers.SessionSerializer: ("JWTSession", "A sign-in on one device."),
}
"""The names of components, which must not clash with a project's own, and their descriptions."""
_MEMBERS = {
    "password": "As it is, never trimmed.",
    "scope": "The scopes that are asked for, separated by spaces.",
    "resource": "The service that the access token is for, if it is not the usual one (RFC 8707).",
    "refresh": "The refresh token.",
    "token": "An access token or a refresh token.",
    "token_type_hint": "`access_token` or `refresh_token`; for another one, the kind is found out.",
    "id": "The id of the session.",
    "created_at": "When the user signed in.",
    "last_used_at": "When the session was last refreshed.",
    "ip_address": "The address of the client, at the last refresh.",
    "user_agent": "The program of the client, as it calls itself.",
    "actor": "Who acts as the user; empty if it is the user.",
}


_paths: MutableMapping[Any, dict[str, str]] = WeakKeyDictionary()
"""By schema and operation id."""


class _Body(OpenApiSerializerExtension):
    """The name of a component, and the descriptions of its members."""

    target_class: Any = None

    def get_name(self, auto_schema: Any, direction: Any) -> str:
        """Return the name."""
        return _BODIES[self.target_class][0]

    def map_serializer(self, auto_schema: Any, direction: Any) -> Any:
        """Return the schema of the serializer, with its members described. What is required is not empty."""
        schema = {**super().map_serializer(auto_schema, direction), "description": _BODIES[self.target_class][1]}
        for name, about in _MEMBERS.items():
            if name in schema["properties"]:
                schema["properties"][name]["description"] = about
        for name in schema.get("required", ()):
            if schema["properties"][name].get("writeOnly"):
                schema["properties"][name]["minLength"] = 1
        return schema


for _serializer in _BODIES:
    # It registers itself. Serializers of a project that are derived from ours have names of their own.
    type(f"{_serializer.__name__}Body", (_Body,), {"target_class": _serializer})


class EndpointSchema(AutoSchema):
    """Describes a view by :mod:`.operations`, and by its permissions and throttles."""

    @property
    def said(self) -> Operation | None:
        """What is known of the operation."""
        return operations_of(type(self.view)).get(self.method)

    def get_operation(self, *args: Any) -> Any:
        """Return the operation, with words for what the success means."""
        operation = super().get_operation(*args)
        if operation and self.said:
            if "requestBody" in operation and self._oauth_grants:  # it cannot be told from alternatives
                operation["requestBody"]["required"] = True
            success = operation["responses"].get(str(self.said.status), {})
            success["description"] = success.get("description") or self.said.said
        return operation

    def get_operation_id(self) -> Any:
        """Return our id. If a project derives a view, or routes one a second time, the id ends with the path."""
        if self.said is None:
            return super().get_operation_id()
        paths = _paths.setdefault(self.registry, {})
        is_first = self.view.described_class in OPERATIONS and paths.setdefault(self.said.id, self.path) == self.path
        return self.said.id if is_first else "_".join([self.said.id, *re.findall(r"\w+", self.path)])

    def get_summary(self) -> Any:
        """Return a few words."""
        return self.said.summary if self.said else super().get_summary()

    def get_description(self) -> Any:
        """Return a description for API users; the docstring of the class is for programmers."""
        return self.said.description if self.said else super().get_description()

    def get_tags(self) -> list[str]:
        """Return the group of endpoints."""
        return [self.said.tag] if self.said else super().get_tags()

    # Requests

    def get_request_serializer(self) -> Any:
        """Return the serializer of the body; by media type, if OAuth's forms are taken too."""
        serializer = super().get_request_serializer()
        if self.said is None or not self._oauth_grants:
            return serializer
        component = self.resolve_serializer(serializer, "request")
        forms = [bodies.component(self.registry, GRANTS[name]) for name in self._oauth_grants]
        return {**dict.fromkeys(self.map_parsers(), serializer), FORM: {"anyOf": [component.ref, *forms]}}

    @property
    def _oauth_grants(self) -> tuple[str, ...]:
        """The grant types that a form may name, if forms are described."""
        return getattr(self.view, "oauth_grants", ()) if FORM in self.map_parsers() else ()

    @property
    def _fields(self) -> list[str]:
        """The members of the request."""
        if self.method not in ("POST", "PUT", "PATCH"):
            return []
        names = dict.fromkeys(self.view.get_serializer().fields)
        # OAuth's names for the same.
        also = ("username", "refresh_token") if isinstance(self.view, views.TokenPairView) else ()
        return list(names | dict.fromkeys(also))

    def get_override_parameters(self) -> list[Any]:
        """Return the headers of responses that programs need."""
        header: dict[str, Any] = {"location": OpenApiParameter.HEADER, "required": True}
        parameters = [
            *super().get_override_parameters(),
            OpenApiParameter("WWW-Authenticate", str, response=[401], description="The challenge.", **header),
            OpenApiParameter("Retry-After", int, response=[429, 503], description="In seconds.", **header),
            OpenApiParameter("Cache-Control", str, response=[200, 204], description="Always `no-store`.", **header),
        ]
        if issubclass(type(self.view), browser_views.CookiePairView | browser_views.BrowserLogoutView):
            words = "The cookies, one header for each."
            header["required"] = False  # a browser that has a cookie already does not get it again
            parameters.append(OpenApiParameter("Set-Cookie", str, response=[200, 204], description=words, **header))
        if issubclass(type(self.view), views.SessionDetailView):
            words = "The id of the session, from the list."
            parameters.append(OpenApiParameter("id", UUID, OpenApiParameter.PATH, description=words))
        return parameters

    def get_auth(self) -> list[Any]:
        """Return what authenticates the request. The endpoints for browsers take a cookie and the CSRF token."""
        if not isinstance(self.view, BrowserView) or self.method in SAFE_METHODS:
            found = super().get_auth()
            return [] if found == [{}] else found  # generated clients take an empty requirement for a scheme
        needed = require_csrf(self)
        if isinstance(self.view, browser_views.BrowserRefreshView):
            name = conf.get_shared_config().cookies.refresh_name
            words = "The refresh token. `browser/login/` sets the cookie."
            register_scheme(self, REFRESH_SCHEME, cookie_definition(name, words))
            needed[REFRESH_SCHEME] = []
        return [needed]

    # Responses

    def get_response_serializers(self) -> Any:
        """Return the responses by status."""
        if self.said is None:
            return super().get_response_serializers()
        answers: dict[int, Any] = {self.said.status: self._success()}
        refusals = {**self._own_refusals(), **self._other_refusals()}
        for status in sorted(refusals):
            answers[status] = OpenApiResponse(self._refusal(status), refusals[status])
        return answers

    def _success(self) -> Any:
        said = self.said
        if said is None or said.status == 204:
            # The words of drf-spectacular would be about the body.
            return OpenApiResponse(None, said.said if said else "")
        if said.body:
            return bodies.component(self.registry, said.body)
        if isinstance(self.view, views.TokenPairView):
            return bodies.component(self.registry, "JWTTokens" if self._oauth_grants else "JWTTokenPair")
        return self.view.get_serializer(many=True)

    def _own_refusals(self) -> dict[int, str]:
        """Return the responses of the endpoint itself, and of its permissions and throttles."""
        view: Any = self.view
        found = dict(self.said.refusals) if self.said else {}
        if any(type(each) not in (AllowAny, IsAuthenticated) for each in view.get_permissions()):
            found.setdefault(403, _SENTENCES[403])
        if view.get_throttles():
            found[429] = _SENTENCES[429]
        if "refresh_token" in self._oauth_grants:
            found.update({503: operations_of(views.TokenRefreshView)["POST"].refusals[503]})
        return found

    def _other_refusals(self) -> dict[int, str]:
        """Return the responses that come before the endpoint is called, and are the same everywhere."""
        classes = [type(each) for each in self.view.get_authenticators()]
        by_cookie = self.method not in SAFE_METHODS and any(issubclass(each, CookieMixin) for each in classes)
        statuses = {
            401: bool(classes),
            # The CSRF check, which looks for its token in the forms of POST too.
            400: self.method == "POST" and (by_cookie or isinstance(self.view, BrowserView)),
            403: by_cookie,
            406: True,
            413: bool(self._fields),
            415: bool(self._fields),
            # The database may be away. A token for the CSRF check needs none.
            503: not isinstance(self.view, BrowserCSRFView),
        }
        own = self._own_refusals()
        return {status: _SENTENCES[status] for status, may_be in statuses.items() if may_be and status not in own}

    def _refusal(self, status: int) -> Any:
        view: Any = self.view
        own_words = self.said is not None and self.said.own_words and _may_add_words()
        if status == 400 and self._fields:
            return bodies.bad_request(
                self.registry,
                f"{self._get_serializer_name(view.get_serializer(), 'request')}Errors",
                self._fields,
                grants=isinstance(view, views.TokenPairView),
                oauth=isinstance(view, views.OAuthTokenView),
                own_words=own_words,
            )
        if status == 401 and own_words:
            return bodies.refusal(self.registry, "JWTSignInRefusal")
        always_ours = {401, 503, *({403} if isinstance(view, BrowserView) else ())}
        return bodies.refusal(self.registry, "JWTRefusal" if status in always_ours else "JWTError")


def _may_add_words() -> bool:
    """Tell whether the project may refuse a sign-in with codes and reasons of its own."""
    backends = {name for name in settings.AUTHENTICATION_BACKENDS if not name.startswith("django.contrib.auth.")}
    return bool(backends) or conf.get_shared_config().sign_in_challenge is not None


class EndpointView(OpenApiViewExtension):
    """Each of our views, and each view that a project derives from one."""

    priority = -1  # a project's own extension comes first
    target_class = "django_jwtauth.views.JWTAuthView"
    match_subclasses = True

    def view_replacement(self) -> Any:
        """Return the view with our schema. A project's own ``@extend_schema`` takes precedence."""
        view: Any = self.target
        if not operations_of(view):
            return view
        members = {
            "schema": _with_ours(view.schema)(),
            "described_class": view,
            "queryset": RefreshToken.objects.none() if view.queryset is None else view.queryset,
            "__doc__": view.__doc__,
            "__module__": view.__module__,
        }
        for method in operations_of(view):
            handler = getattr(view, method.lower(), None)
            if said := getattr(handler, "kwargs", {}).get("schema"):
                # It is never called, so it need not be a method.
                members[method.lower()] = staticmethod(_copy_of(handler, kwargs={"schema": _with_ours(said)}))
        return type(view.__name__, (view,), members)


def _with_ours(said: Any) -> Any:
    """Return a class of schemas that overrides ours with a project's."""
    classes = (said if isinstance(said, type) else type(said)).__mro__
    own = [each for each in classes if each not in AutoSchema.__mro__] if AutoSchema in classes else []
    return type("EndpointSchema", (*own, EndpointSchema), {})


def _copy_of(function: Any, **attributes: Any) -> Any:
    """Return a copy of a function that has other attributes. The function itself stays as it is."""
    copy: Any = functools.update_wrapper(functools.partial(function), function)
    vars(copy).update(attributes)
    return copy
