"""The endpoints, the public documents, and a view for each way to read a token."""

from django.http import HttpResponse
from django.urls import include, path
from rest_framework.renderers import JSONRenderer
from rest_framework.response import Response
from rest_framework.views import APIView

from django_jwtauth.authentication import (
    JWTAuthentication,
    JWTCookieAuthentication,
    StatelessJWTAuthentication,
    StatelessJWTCookieAuthentication,
)
from django_jwtauth.decorators import jwt_required


class Whoami(APIView):
    """Says who it is, and changes nothing."""

    renderer_classes = [JSONRenderer]

    def get(self, request):
        """Say who it is."""
        return Response({"user": str(request.user.pk), "sid": request.auth.sid})

    post = get


@jwt_required
def plain(request):
    """Say who it is, without REST framework."""
    return HttpResponse(str(request.user.pk))


def view(authentication_class):
    """Return a view that needs a user."""
    return Whoami.as_view(authentication_classes=[authentication_class])


urlpatterns = [
    path("", include("django_jwtauth.urls_well_known")),
    path("auth/", include("django_jwtauth.urls")),
    path("stateful/", view(JWTAuthentication)),
    path("stateless/", view(StatelessJWTAuthentication)),
    path("cookie/", view(JWTCookieAuthentication)),
    path("stateless-cookie/", view(StatelessJWTCookieAuthentication)),
    path("plain/", plain),
]
