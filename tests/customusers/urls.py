from django.urls import include, path
from rest_framework.response import Response
from rest_framework.views import APIView

from django_jwtauth.authentication import StatelessJWTAuthentication


class WhoAmI(APIView):
    def get(self, request):
        return Response({"user": str(request.user.pk), "claims": request.auth.claims})


class StatelessWhoAmI(WhoAmI):
    authentication_classes = [StatelessJWTAuthentication]


urlpatterns = [
    path("auth/", include("django_jwtauth.urls")),
    path("whoami/", WhoAmI.as_view()),
    path("stateless/", StatelessWhoAmI.as_view()),
]
