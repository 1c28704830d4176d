"""The URLs of the example."""

from django.contrib import admin
from django.urls import include, path

from example_project.accounts.views import ConfirmPasswordView
from example_project.orders.views import IndexView, WhoAmIView

urlpatterns = [
    path("", IndexView.as_view(), name="index"),
    path("admin/", admin.site.urls),
    path("api/auth/", include("django_jwtauth.urls")),
    path("api/orders/", include("example_project.orders.urls")),
    path("api/confirm-password/", ConfirmPasswordView.as_view(), name="confirm-password"),
    path("api/whoami/", WhoAmIView.as_view(), name="whoami"),
    path("", include("django_jwtauth.urls_well_known")),
]
