"""Our endpoints, django-allauth's, and the view that exchanges its session for tokens."""

from django.http import HttpResponse
from django.urls import include, path

from tests.urls import StatelessWhoAmI, WhoAmI

from .second_factor import BrowserSecondFactorView, SecondFactorTokenView
from .tokens import SessionTokenView

urlpatterns = [
    path("auth/token/session/", SessionTokenView.as_view()),
    path("auth/token/second-factor/", SecondFactorTokenView.as_view()),
    path("auth/browser/login/second-factor/", BrowserSecondFactorView.as_view()),
    path("auth/", include("django_jwtauth.urls")),
    path("accounts/", include("allauth.urls")),
    path("_allauth/", include("allauth.headless.urls")),
    path("welcome/", lambda request: HttpResponse("welcome")),
    path("whoami/", WhoAmI.as_view()),
    path("stateless/", StatelessWhoAmI.as_view()),
]
