"""The endpoints where a project has them, the documents for other services at the root, and one view of its own."""

from django.http import HttpResponse
from django.urls import include, path
from django.views.decorators.http import require_POST

from django_jwtauth import sessions


@require_POST
def emergency(request):
    sessions.revoke_everyone(note="incident")
    return HttpResponse("{}")


urlpatterns = [
    path("api/auth/", include("django_jwtauth.urls")),
    path("api/auth/emergency/", emergency),
    path("", include("django_jwtauth.urls_well_known")),
]
