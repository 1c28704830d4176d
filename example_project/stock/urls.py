"""The URLs of the stock service."""

from django.urls import path

from example_project.stock import views

urlpatterns = [
    path("", views.index, name="index"),
    path("api/stock/", views.StockView.as_view(), name="stock-list"),
    path("api/stock/<slug:item>/", views.ItemView.as_view(), name="stock-item"),
]
