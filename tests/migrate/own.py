"""Classes that a project has based on Simple JWT's."""

from rest_framework_simplejwt.authentication import JWTAuthentication, JWTStatelessUserAuthentication
from rest_framework_simplejwt.serializers import TokenObtainPairSerializer
from rest_framework_simplejwt.views import TokenObtainPairView


class NamedSerializer(TokenObtainPairSerializer):
    @classmethod
    def get_token(cls, user):
        token = super().get_token(user)
        token["name"] = user.get_username()
        return token


class NamedView(TokenObtainPairView):
    serializer_class = NamedSerializer


class HeaderAuthentication(JWTAuthentication):
    def get_header(self, request):
        return request.META.get("HTTP_X_TOKEN")


class Stateless(JWTStatelessUserAuthentication):
    pass
