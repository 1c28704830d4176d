"""Users in the admin, with their sessions: where they are signed in, and buttons to sign them out."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import User

from django_jwtauth.admin import SessionsUserAdminMixin

admin.site.unregister(User)  # Django's own user admin, which does not show sessions


@admin.register(User)
class UserAdmin(SessionsUserAdminMixin, DjangoUserAdmin):
    """Django's own user admin, with active sessions and "Sign out everywhere" on the page of a user."""
