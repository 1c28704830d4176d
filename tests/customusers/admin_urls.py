"""An admin for users who know neither staff nor permissions: whoever has an address at ops.example may do all."""

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.urls import path

from django_jwtauth.admin import BlacklistedTokenAdmin, RefreshTokenAdmin, SessionsUserAdminMixin
from django_jwtauth.models import BlacklistedToken, RefreshToken


class OpsSite(admin.AdminSite):
    def has_permission(self, request):
        return request.user.is_authenticated and request.user.email.endswith("@ops.example")


class PersonAdmin(SessionsUserAdminMixin, admin.ModelAdmin):
    fields = ("email", "is_active")


ops = OpsSite(name="ops")
ops.register(get_user_model(), PersonAdmin)
ops.register(RefreshToken, RefreshTokenAdmin)
ops.register(BlacklistedToken, BlacklistedTokenAdmin)

urlpatterns = [path("ops/", ops.urls)]
