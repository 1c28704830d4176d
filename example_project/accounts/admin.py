"""Users in the admin, with their sessions: who is signed in where, and an end to it."""

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import User

from django_jwtauth.admin.users import SessionsUserAdminMixin

admin.site.unregister(User)  # Django's own admin of users, which knows no sessions


@admin.register(User)
class UserAdmin(SessionsUserAdminMixin, DjangoUserAdmin):
    """Django's own, with the active sessions and "Sign out everywhere" on the page of a user."""
