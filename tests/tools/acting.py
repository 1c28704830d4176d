"""A project in which staff may act as users."""

from django.contrib.auth import get_user_model
from django.db import transaction
from django.urls import include, path
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from django_jwtauth import sessions
from django_jwtauth.permissions import RecentLogin
from django_jwtauth.views import TokenView


class ActAs(APIView):
    """What a project writes."""

    def post(self, request, username):
        user = get_user_model().objects.get(username=username)
        pair = sessions.start(user, actor=request.user, request=request._request)
        return Response({"access": pair.access, "expires_in": pair.expires_in})


class PersonalToken(APIView):
    """A view that gives a session of its own to whoever is signed in."""

    def post(self, request):
        return Response({"refresh": sessions.start(request.user, request=request).refresh})


class ChangePassword(APIView):
    def post(self, request):
        with transaction.atomic():
            request.user.set_password(request.data["password"])
            request.user.save()
            sessions.keep(request.auth, request.user)
        return Response(status=204)


class Careful(APIView):
    permission_classes = [IsAuthenticated, RecentLogin(max_age=3600)]

    def get(self, request):
        return Response()


class ActingTokenView(TokenView):
    """A sign-in that is answered without a refresh token."""

    def start(self, request, user, *, scope, audience):
        return sessions.start(user, request=request._request, scope=scope, audience=audience, refreshable=False)


urlpatterns = [
    path("auth/", include("django_jwtauth.urls")),
    path("act-as/<username>/", ActAs.as_view()),
    path("personal/", PersonalToken.as_view()),
    path("password/", ChangePassword.as_view()),
    path("careful/", Careful.as_view()),
    path("unrefreshable/", ActingTokenView.as_view()),
]


def _deactivate(staff):
    staff.is_active = False
    staff.save()
