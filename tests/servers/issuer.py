"""The issuer: its URLs, and what it writes down about requests and queries."""

import os

from django.db.backends.signals import connection_created
from django.urls import include, path
from rest_framework.response import Response
from rest_framework.views import APIView

from django_jwtauth.authentication import StatelessJWTAuthentication

from .config import log


class StatelessView(APIView):
    """A view of the issuer's own that trusts the token alone."""

    authentication_classes = [StatelessJWTAuthentication]

    def get(self, request):
        """Say who it is."""
        return Response({"subject": request.user.pk})


urlpatterns = [
    path("", include("django_jwtauth.urls_well_known")),
    path("auth/", include("django_jwtauth.urls")),
    path("stateless/", StatelessView.as_view()),
]


def log_everything(get_response):
    """Middleware: write down each request and each query, and say which process has answered."""
    connection_created.connect(_log_queries)

    def middleware(request):
        response = get_response(request)
        response["Worker"] = str(os.getpid())
        log(path=request.path, status=response.status_code)
        return response

    return middleware


def _log_queries(connection, **kwargs):
    if _log_query not in connection.execute_wrappers:
        connection.execute_wrappers.append(_log_query)


def _log_query(execute, sql, params, many, context):
    # The reading of the revocation list is the one query that unites three tables.
    log(query="list" if sql.count(" UNION ALL ") == 2 else sql[:60])
    return execute(sql, params, many, context)
