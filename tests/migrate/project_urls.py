"""The endpoints of each release of the project: the paths are the same."""

from django.conf import settings
from django.urls import include, path
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.views import APIView


class WhoAmI(APIView):
    permission_classes = [IsAuthenticated]

    def get(self, request):
        claims = getattr(request.auth, "payload", None) or request.auth.claims
        return Response({"user": request.user.get_username(), "name": claims.get("name", "")})


def simple_urls():
    from rest_framework_simplejwt import views

    refresh, blacklist = views.TokenRefreshView.as_view(), views.TokenBlacklistView.as_view()
    if settings.RELEASE == "step 1":
        from django_jwtauth.contrib.simplejwt.views import blacklist_old_or_new, refresh_old_or_new

        refresh, blacklist = refresh_old_or_new(refresh), blacklist_old_or_new(blacklist)
    return [
        path("api/token/", views.TokenObtainPairView.as_view()),
        path("api/token/refresh/", refresh),
        path("api/token/blacklist/", blacklist),
        path("api/token/sliding/", views.TokenObtainSlidingView.as_view()),
        path("api/token/sliding/refresh/", views.TokenRefreshSlidingView.as_view()),
    ]


urlpatterns = [path("whoami/", WhoAmI.as_view())]
if settings.RELEASE in ("before", "step 1"):
    urlpatterns += simple_urls()
elif settings.RELEASE in ("step 2", "after"):
    urlpatterns += [path("api/", include("django_jwtauth.urls"))]
if settings.RELEASE in ("step 1", "step 2", "after"):
    urlpatterns += [path("", include("django_jwtauth.urls_well_known"))]
