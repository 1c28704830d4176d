"""A project with all of our URLs, views of its own under each of our classes, and views derived from ours."""

from django.urls import include, path
from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.generics import GenericAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.throttling import ScopedRateThrottle

from django_jwtauth import authentication
from django_jwtauth.permissions import HasAnyScope, HasScope, RecentLogin
from django_jwtauth.serializers import TokenSerializer
from django_jwtauth.views import AuthenticatedView, LogoutView, TokenRefreshView, TokenView


class OrderSerializer(serializers.Serializer):
    code = serializers.ChoiceField(choices=["new", "old"])
    reason = serializers.ChoiceField(choices=["gift", "need"])


class Orders(GenericAPIView):
    serializer_class = OrderSerializer
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"code": "new", "reason": "gift"})

    def post(self, request):
        return Response({"code": "new", "reason": "gift"})


def orders(*classes, permissions=(IsAuthenticated,)):
    return Orders.as_view(authentication_classes=classes, permission_classes=permissions)


class OwnAuthentication(authentication.JWTCookieAuthentication):
    pass


class OwnBearer(authentication.BearerAuthentication):
    pass


# Derived from ours


class CodeSerializer(TokenSerializer):
    code = serializers.CharField()


class CodeView(TokenView):
    serializer_class = CodeSerializer


class StrictLogout(LogoutView):
    permission_classes = [IsAuthenticated, RecentLogin(max_age=60)]
    throttle_classes = [ScopedRateThrottle]


class StatelessLogout(LogoutView):
    authentication_classes = [authentication.StatelessJWTCookieAuthentication]


class PlainRefresh(TokenRefreshView):
    oauth_grants = ()

    @extend_schema(summary="Go on", tags=["mine"], responses={200: OrderSerializer})
    def post(self, request):
        return super().post(request)


@extend_schema(tags=["mine"])
class TaggedLogout(LogoutView):
    pass


class WithMore(LogoutView):
    serializer_class = OrderSerializer

    def get(self, request):
        return Response()

    @extend_schema(exclude=True)
    def post(self, request):
        return super().post(request)


class OfNobody(AuthenticatedView):
    """The project knows what it does."""

    serializer_class = OrderSerializer

    def post(self, request):
        return Response()


urlpatterns = [
    path("", include("django_jwtauth.urls_well_known")),
    path("auth/", include("django_jwtauth.urls")),
    path("orders/", orders(authentication.JWTAuthentication)),
    path("stateless/", orders(authentication.StatelessJWTAuthentication)),
    path("cookie/", orders(authentication.JWTCookieAuthentication)),
    path("stateless-cookie/", orders(authentication.StatelessJWTCookieAuthentication)),
    path("own/", orders(OwnAuthentication)),
    path("bearer/", orders(OwnBearer)),
    path("scopes/", orders(authentication.JWTAuthentication, permissions=[IsAuthenticated, HasScope(GET="a b")])),
    path("any-scope/", orders(authentication.JWTCookieAuthentication, permissions=[HasAnyScope("a", "b")])),
    path("code/", CodeView.as_view()),
    path("strict-logout/", StrictLogout.as_view()),
    path("stateless-logout/", StatelessLogout.as_view()),
    path("plain-refresh/", PlainRefresh.as_view()),
    path("tagged-logout/", TaggedLogout.as_view()),
    path("with-more/", WithMore.as_view()),
    path("nobody/", OfNobody.as_view()),
]
