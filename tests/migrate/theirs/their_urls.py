"""Simple JWT's names for its endpoints, and ours behind them."""

from django.urls import path
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView

from django_jwtauth import views
from django_jwtauth.authentication import JWTAuthentication


class TestView(APIView):
    permission_classes = [IsAuthenticated]
    authentication_classes = [JWTAuthentication]

    def get(self, request):
        return Response({"foo": "bar"})


urlpatterns = [
    path("token/pair/", views.TokenView.as_view(), name="token_obtain_pair"),
    path("token/refresh/", views.TokenRefreshView.as_view(), name="token_refresh"),
    path("token/sliding/", views.TokenView.as_view(), name="token_obtain_sliding"),
    path("token/sliding/refresh/", views.TokenRefreshView.as_view(), name="token_refresh_sliding"),
    path("token/verify/", views.TokenVerifyView.as_view(), name="token_verify"),
    path("token/blacklist/", views.TokenBlacklistView.as_view(), name="token_blacklist"),
    path("test-view/", TestView.as_view(), name="test_view"),
]
