"""The addresses of the example."""

from django.contrib import admin
from django.urls import include, path
from django.views.generic import TemplateView

from example_project.orders.views import WhoAmIView

urlpatterns = [
    path("", TemplateView.as_view(template_name="orders/index.html"), name="index"),
    path("admin/", admin.site.urls),
    path("api/auth/", include("django_jwtauth.urls")),
    path("api/orders/", include("example_project.orders.urls")),
    path("api/whoami/", WhoAmIView.as_view(), name="whoami"),
]
