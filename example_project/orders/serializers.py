"""Orders as JSON."""

from rest_framework import serializers

from example_project.orders.models import Order


class OrderSerializer(serializers.ModelSerializer):
    """An order, without its owner, who is always the user of the request."""

    class Meta:
        model = Order
        fields = ("id", "item", "quantity", "created_at", "cancelled_at")
        read_only_fields = ("cancelled_at",)
