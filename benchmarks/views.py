"""The endpoints that are called: ours, those of our peers, and a view that does nothing."""

from typing import Any

from django.urls import include, path
from knox.auth import TokenAuthentication
from oauth2_provider.contrib.rest_framework import OAuth2Authentication
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import AllowAny, IsAuthenticated
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView
from rest_framework_simplejwt import authentication as simplejwt
from rest_framework_simplejwt.views import TokenObtainPairView, TokenRefreshView

from django_jwtauth.authentication import JWTAuthentication, StatelessJWTAuthentication

CLASSES: dict[str, type[BaseAuthentication]] = {
    "stateless": StatelessJWTAuthentication,
    "session": JWTAuthentication,
    "simplejwt-stateless": simplejwt.JWTStatelessUserAuthentication,
    "simplejwt": simplejwt.JWTAuthentication,
    "knox": TokenAuthentication,
    "oauth-toolkit": OAuth2Authentication,
}
"""How a request is authenticated, by the name of the view."""


class Nothing(APIView):
    """Answers with nothing, to everybody."""

    authentication_classes: Any = ()
    permission_classes: Any = (AllowAny,)
    renderer_classes = (JSONRenderer,)

    def get(self, request: Request) -> Response:
        return Response({})


def patterns() -> list[Any]:
    """Return the URLs."""
    views = [
        path(f"{name}/", Nothing.as_view(authentication_classes=(used,), permission_classes=(IsAuthenticated,)))
        for name, used in CLASSES.items()
    ]
    return [
        path("open/", Nothing.as_view()),
        *views,
        path("auth/", include("django_jwtauth.urls")),
        path("simplejwt/token/", TokenObtainPairView.as_view()),
        path("simplejwt/refresh/", TokenRefreshView.as_view()),
    ]
