"""Authentication classes of a project."""

from django.db import OperationalError, connection

from django_jwtauth.authentication import JWTAuthentication


class BlockedAuthentication(JWTAuthentication):
    """The database fails in the middle of an authentication."""

    def authenticate_token(self, raw):
        def fail(*arguments):
            raise OperationalError

        with connection.execute_wrapper(fail):
            return super().authenticate_token(raw)
