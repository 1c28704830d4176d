"""Simple JWT's endpoints under ``old/``, and ours."""

from django.urls import path
from rest_framework_simplejwt import views
from rest_framework_simplejwt.authentication import JWTAuthentication

from django_jwtauth.contrib.simplejwt.views import blacklist_old_or_new, refresh_old_or_new
from tests.urls import WhoAmI
from tests.urls import urlpatterns as _urlpatterns


class OldWhoAmI(WhoAmI):
    authentication_classes = [JWTAuthentication]


urlpatterns = [
    *_urlpatterns,
    path("old/token/", views.TokenObtainPairView.as_view()),
    path("old/token/refresh/", views.TokenRefreshView.as_view()),
    path("old/token/blacklist/", views.TokenBlacklistView.as_view()),
    path("either/token/refresh/", refresh_old_or_new(views.TokenRefreshView.as_view())),
    path("either/token/blacklist/", blacklist_old_or_new(views.TokenBlacklistView.as_view())),
    path("old/sliding/", views.TokenObtainSlidingView.as_view()),
    path("old/sliding/refresh/", views.TokenRefreshSlidingView.as_view()),
]
