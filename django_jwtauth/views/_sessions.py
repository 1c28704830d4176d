"""The endpoints that list a user's sessions and end them one by one."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from rest_framework import status
from rest_framework.pagination import PageNumberPagination
from rest_framework.request import Request
from rest_framework.response import Response

from .. import serializers
from ..models import RefreshToken, RevokedReason
from ..sessions._revoke import end_session, revoke_rows
from ._base import AuthenticatedView


class SessionPagination(PageNumberPagination):
    """Fifty sessions a page."""

    page_size = 50


class SessionListView(AuthenticatedView):
    """The user's live sessions, newest sign-in first. DELETE ends all of them except the current one."""

    serializer_class = serializers.SessionSerializer
    pagination_class = SessionPagination

    def get_queryset(self) -> QuerySet[RefreshToken]:
        return self.own_sessions().live().order_by("-created_at", "-pk")

    def get(self, request: Request) -> Response:
        page = self.paginate_queryset(self.get_queryset())
        return self.get_paginated_response(self.get_serializer(page, many=True).data)

    def delete(self, request: Request) -> Response:
        others = self.own_sessions().exclude(pk=self.sid)
        return Response({"revoked": revoke_rows(others, reason=RevokedReason.USER, user=self.user_key)})


class SessionDetailView(AuthenticatedView):
    """One session of the user. DELETE ends it; nothing changes if it has already ended."""

    def delete(self, request: Request, pk: Any) -> Response:
        if not self.own_sessions().filter(pk=pk).exists():
            raise Http404
        end_session(pk, reason=RevokedReason.USER, user=self.user_key)
        return Response(status=status.HTTP_204_NO_CONTENT)
