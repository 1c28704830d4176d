"""The endpoints, the public documents, the admin, and one view for each authentication class."""

from django.contrib import admin
from django.urls import include, path
from rest_framework.response import Response
from rest_framework.views import APIView

from django_jwtauth.authentication import StatelessJWTAuthentication


class WhoAmI(APIView):
    def get(self, request):
        return Response({"user": str(request.user.pk), "sid": request.auth.sid, "claims": request.auth.claims})


class StatelessWhoAmI(WhoAmI):
    authentication_classes = [StatelessJWTAuthentication]


urlpatterns = [
    path("", include("django_jwtauth.urls_well_known")),
    path("admin/", admin.site.urls),
    path("auth/", include("django_jwtauth.urls")),
    path("whoami/", WhoAmI.as_view()),
    path("stateless/", StatelessWhoAmI.as_view()),
]
