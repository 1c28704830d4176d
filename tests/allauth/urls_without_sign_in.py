"""The same, but only django-allauth signs users in."""

from django.urls import include, path

from tests.urls import StatelessWhoAmI, WhoAmI

from .tokens import SessionTokenView

urlpatterns = [
    path("auth/token/session/", SessionTokenView.as_view()),
    path("auth/", include("django_jwtauth.urls_without_sign_in")),
    path("accounts/", include("allauth.urls")),
    path("_allauth/", include("allauth.headless.urls")),
    path("whoami/", WhoAmI.as_view()),
    path("stateless/", StatelessWhoAmI.as_view()),
]
