"""Two sites: the usual one, where our lists are as the library registers them; and one where all is django-unfold's."""

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin
from django.urls import path
from unfold.admin import ModelAdmin
from unfold.forms import AdminPasswordChangeForm, UserChangeForm, UserCreationForm
from unfold.sites import UnfoldAdminSite

from django_jwtauth.admin import BlacklistedTokenAdmin, NotBeforeAdmin, RefreshTokenAdmin, SessionsUserAdminMixin
from django_jwtauth.models import BlacklistedToken, NotBefore, RefreshToken

User = get_user_model()


class PlainUserAdmin(SessionsUserAdminMixin, UserAdmin):
    pass


class MySessions(RefreshTokenAdmin, ModelAdmin):
    pass


class MyBlacklist(BlacklistedTokenAdmin, ModelAdmin):
    pass


class MyTimes(NotBeforeAdmin, ModelAdmin):
    pass


class MyUserAdmin(SessionsUserAdminMixin, UserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


admin.site.unregister(User)
admin.site.register(User, PlainUserAdmin)

styled = UnfoldAdminSite(name="styled")
styled.register(User, MyUserAdmin)
styled.register(RefreshToken, MySessions)
styled.register(BlacklistedToken, MyBlacklist)
styled.register(NotBefore, MyTimes)

urlpatterns = [path("admin/", admin.site.urls), path("styled/", styled.urls)]
