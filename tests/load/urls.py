"""The URLs of the faults' project; what users do by views of a project, as the documentation has them; an operator."""

import contextlib
from datetime import timedelta

from django.contrib.auth import get_user_model
from django.db import IntegrityError, OperationalError
from django.db.models import F
from django.http import JsonResponse
from django.urls import path
from rest_framework import serializers
from rest_framework.response import Response

from django_jwtauth import sessions
from django_jwtauth.models import RefreshToken
from django_jwtauth.serializers import PasswordField
from django_jwtauth.views import AuthenticatedView
from tests.faults import urls


class NewPasswordSerializer(serializers.Serializer):
    """The body."""

    new_password = PasswordField()


class ChangePassword(AuthenticatedView):
    """Changes the password; this session continues."""

    serializer_class = NewPasswordSerializer

    def post(self, request):
        """Change it."""
        request.user.set_password(self.read(request)["new_password"])
        sessions.save_password(request.user, keep=request.auth)
        return Response(status=204)


class StepUp(AuthenticatedView):
    """Confirms who it is."""

    def post(self, request):
        """Take it for confirmed."""
        sessions.step_up(self.sid, amr=["pwd", "otp"], acr=request.data["level"])
        return Response({})


def make_due(request):
    """Let the next refresh of a session rotate."""
    RefreshToken.objects.filter(pk=request.GET["sid"]).update(rotated_at=F("rotated_at") - timedelta(hours=1))
    return JsonResponse({})


def deactivate(request):
    """Deactivate a user for a moment, as an operator does."""
    user = get_user_model().objects.get(username=request.GET["user"])
    for is_active in (False, True):
        user.is_active = is_active
        user.save(update_fields=["is_active"])
    return JsonResponse({})


def delete(request):
    """Delete a user, and make another one of that name."""
    users, name = get_user_model().objects, request.GET["user"]
    while users.filter(username=name).exists():
        with contextlib.suppress(IntegrityError, OperationalError):  # others were faster: as the documentation says
            users.get(username=name).delete()
    users.create_user(name, password=request.GET["password"])
    return JsonResponse({})


def revoke(request):
    """End a session, or all sessions of a user, as an operator does."""
    if sid := request.GET.get("sid"):
        sessions.revoke(sid)
    else:
        sessions.revoke_all(get_user_model().objects.get(username=request.GET["user"]))
    return JsonResponse({})


def revoke_everyone(request):
    """Sign everyone out."""
    sessions.revoke_everyone()
    return JsonResponse({})


urlpatterns = [
    *urls.urlpatterns,
    path("password/", ChangePassword.as_view()),
    path("step-up/", StepUp.as_view()),
    path("operator/make-due/", make_due),
    path("operator/deactivate/", deactivate),
    path("operator/delete/", delete),
    path("operator/revoke/", revoke),
    path("operator/revoke-everyone/", revoke_everyone),
]
