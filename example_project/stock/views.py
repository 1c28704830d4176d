"""The API of the stock service. It looks up no users: all it knows about them is in the access token."""

from django.conf import settings
from django.http import HttpRequest, JsonResponse
from django.urls import reverse
from rest_framework import serializers
from rest_framework.exceptions import NotFound
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from example_project.stock import shelf
from example_project.stock.permissions import WarehouseOrReadOnly


class QuantitySerializer(serializers.Serializer):
    """The quantity of an item."""

    quantity = serializers.IntegerField(min_value=0, max_value=1_000_000)


class StockView(APIView):
    """All items."""

    def get(self, request: Request) -> Response:
        return Response([{"item": item, "quantity": quantity} for item, quantity in shelf.items().items()])


class ItemView(APIView):
    """One item."""

    permission_classes = [IsAuthenticated, WarehouseOrReadOnly]

    def get(self, request: Request, item: str) -> Response:
        if item not in shelf.items():
            raise NotFound
        return Response({"item": item, "quantity": shelf.items()[item]})

    def patch(self, request: Request, item: str) -> Response:
        serializer = QuantitySerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        try:
            shelf.put(item, serializer.validated_data["quantity"])
        except KeyError:
            raise NotFound from None
        return self.get(request, item)


def index(request: HttpRequest) -> JsonResponse:
    """Say what this service is; open to everybody."""
    address = request.build_absolute_uri(reverse("stock-list"))
    return JsonResponse({"service": "stock", "items": address, "accepts_tokens_of": settings.ISSUER})
