"""A project's own USER_AUTHENTICATION_RULE, and a claims hook during which another request changes the session."""

from django_jwtauth.models import RefreshToken

changes = {}


def nobody(user):
    return False


def interfere(user, *, request, session):
    RefreshToken.objects.update(**changes)
    return {}
