"""The endpoints, the public documents, four sites of the admin, and one view for each authentication class."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.models import User
from django.urls import include, path
from rest_framework.response import Response
from rest_framework.views import APIView

from django_jwtauth.admin import BlacklistedTokenAdmin, NotBeforeAdmin, RefreshTokenAdmin, SessionsUserAdminMixin
from django_jwtauth.authentication import StatelessJWTAuthentication
from django_jwtauth.models import BlacklistedToken, NotBefore, RefreshToken


class WhoAmI(APIView):
    def get(self, request):
        return Response({"user": str(request.user.pk), "sid": request.auth.sid, "claims": request.auth.claims})


class StatelessWhoAmI(WhoAmI):
    authentication_classes = [StatelessJWTAuthentication]


class OpsUserAdmin(SessionsUserAdminMixin, UserAdmin):
    pass


ops = admin.AdminSite(name="ops")
ops.register(User, OpsUserAdmin)
ops.register(RefreshToken, RefreshTokenAdmin)
ops.register(BlacklistedToken, BlacklistedTokenAdmin)
ops.register(NotBefore, NotBeforeAdmin)

# One that shows users only.
staff = admin.AdminSite(name="staff")
staff.register(User, OpsUserAdmin)

# One that shows sessions only.
sessions = admin.AdminSite(name="sessions")
sessions.register(RefreshToken, RefreshTokenAdmin)

urlpatterns = [
    path("", include("django_jwtauth.urls_well_known")),
    path("admin/", admin.site.urls),
    path("ops/", ops.urls),
    path("staff/", staff.urls),
    path("only-sessions/", sessions.urls),
    path("auth/", include("django_jwtauth.urls")),
    path("whoami/", WhoAmI.as_view()),
    path("stateless/", StatelessWhoAmI.as_view()),
]
