"""The endpoints where a project has them, the documents for other services at the root, and one view of its own."""

from django.http import HttpResponse
from django.urls import include, path
from django.views.decorators.http import require_POST

from django_jwtauth import sessions
from tests.tools.docs import FENCE, page


@require_POST
def emergency(request):
    sessions.revoke_everyone(note="incident")
    return HttpResponse("{}")


# The view of the page on other languages, which nginx asks.
exec(next(block for block in FENCE.findall(page("docs/services-languages.md")) if "TokenIsGood" in block), found := {})

urlpatterns = [
    path("api/token-is-good/", found["TokenIsGood"].as_view()),
    path("api/auth/", include("django_jwtauth.urls")),
    path("api/auth/emergency/", emergency),
    path("", include("django_jwtauth.urls_well_known")),
]
