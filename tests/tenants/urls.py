"""The usual URLs, and a view for each cookie class."""

from django.urls import path

from django_jwtauth.authentication import JWTCookieAuthentication, StatelessJWTCookieAuthentication
from tests.urls import WhoAmI
from tests.urls import urlpatterns as usual

urlpatterns = [
    *usual,
    path("cookie/", WhoAmI.as_view(authentication_classes=[JWTCookieAuthentication])),
    path("stateless-cookie/", WhoAmI.as_view(authentication_classes=[StatelessJWTCookieAuthentication])),
]
