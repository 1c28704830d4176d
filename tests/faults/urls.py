"""The endpoints, one view for each authentication class, and one that asks the database by itself."""

import time

from django.contrib.auth import get_user_model
from django.http import JsonResponse
from django.urls import include, path
from rest_framework.response import Response
from rest_framework.views import APIView

from django_jwtauth.authentication import StatelessJWTAuthentication


class Stateful(APIView):
    """Asks the database who it is."""

    def get(self, request):
        """Say who it is."""
        return Response({"user": str(request.user.pk)})


class Stateless(Stateful):
    """Trusts the token alone."""

    authentication_classes = [StatelessJWTAuthentication]


def count_users(request):
    """Ask the database, without REST framework. It takes its time, so that all threads of a worker are asked."""
    users = get_user_model().objects.count()
    time.sleep(0.1)
    return JsonResponse({"users": users})


urlpatterns = [
    path("", include("django_jwtauth.urls_well_known")),
    path("auth/", include("django_jwtauth.urls")),
    path("stateful/", Stateful.as_view()),
    path("stateless/", Stateless.as_view()),
    path("users/", count_users),
]
