"""``/api/orders/``"""

from django.urls import path

from example_project.orders import views

urlpatterns = [
    path("", views.OrderListView.as_view(), name="order-list"),
    path("<int:pk>/cancel/", views.CancelOrderView.as_view(), name="order-cancel"),
]
