"""The API: one view for each of the two ways to authenticate."""

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django.utils import timezone
from django.views.generic import TemplateView
from rest_framework.generics import GenericAPIView, ListCreateAPIView
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import BaseSerializer
from rest_framework.views import APIView

from django_jwtauth.authentication import StatelessJWTCookieAuthentication
from django_jwtauth.permissions import RecentLogin
from example_project.orders.models import Order
from example_project.orders.serializers import OrderSerializer


class IndexView(TemplateView):
    """The start page, with links to everything."""

    template_name = "orders/index.html"

    def get_context_data(self, **kwargs: Any) -> dict[str, Any]:
        return super().get_context_data(stock_url=settings.STOCK_URL, page_url=settings.PAGE_URL, **kwargs)


class OrderListView(ListCreateAPIView):
    """The orders of the user who is signed in.

    The settings choose JWTCookieAuthentication here: it loads the user, and refuses a session that has ended at the
    next request.
    """

    serializer_class = OrderSerializer

    def get_queryset(self) -> QuerySet[Order]:
        return Order.objects.filter(owner=self.request.user)

    def perform_create(self, serializer: BaseSerializer) -> None:
        serializer.save(owner=self.request.user)


class CancelOrderView(GenericAPIView):
    """Cancel an order, which requires a sign-in within the last five minutes (the setting ``RECENT_LOGIN``).

    A user who signed in longer ago gets a 401 that says so (RFC 9470). Calling /api/confirm-password/ and then
    refreshing satisfies it.
    """

    permission_classes = [IsAuthenticated, RecentLogin(max_age=settings.RECENT_LOGIN)]
    serializer_class = OrderSerializer

    def post(self, request: Request, pk: int) -> Response:
        """Cancel it; doing so again changes nothing."""
        order = get_object_or_404(Order, pk=pk, owner=request.user)
        Order.objects.filter(pk=order.pk, cancelled_at__isnull=True).update(cancelled_at=timezone.now())
        order.refresh_from_db()
        return Response(self.get_serializer(order).data)


class WhoAmIView(APIView):
    """The contents of the access token, which a page cannot read itself if the token is in a cookie.

    No user is loaded. A session that has ended is refused within REVOCATION_POLL_INTERVAL.
    """

    authentication_classes = [StatelessJWTCookieAuthentication]

    def get(self, request: Request) -> Response:
        token = request.auth
        return Response(
            {
                "subject": token.subject,
                "scopes": sorted(token.scopes),
                "groups": token.claims["groups"],  # from example_project.claims
                # By the server's clock, because the browser's may be wrong.
                "expires_in": max(int((token.expires_at - datetime.now(UTC)).total_seconds()), 0),
                "claims": token.claims,
            }
        )
