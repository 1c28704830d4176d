"""The endpoints: ``path("api/auth/", include("django_jwtauth.urls"))``."""

from django.urls import path

from . import browser_views, urls_without_sign_in, views

app_name = "jwtauth"

urlpatterns = [
    path("token/", views.TokenView.as_view(), name="token"),
    path("browser/login/", browser_views.BrowserLoginView.as_view(), name="browser-login"),
    *urls_without_sign_in.urlpatterns,
]
