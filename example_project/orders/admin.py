"""Orders in the admin."""

from django.contrib import admin

from example_project.orders.models import Order


@admin.register(Order)
class OrderAdmin(admin.ModelAdmin):
    """All orders, of all users."""

    list_display = ("item", "quantity", "owner", "created_at", "cancelled_at")
    list_filter = ("created_at",)
    list_select_related = ("owner",)
    search_fields = ("item", "owner__username")
    autocomplete_fields = ("owner",)
