"""The URLs of the project."""

from django.urls import include, path

from .views import Orders, aplain, plain

urlpatterns = [
    path("api/auth/", include("django_jwtauth.urls")),
    path("", include("django_jwtauth.urls_well_known")),
    path("orders/", Orders.as_view()),
    path("plain/", plain),
    path("plain/<int:number>/", aplain),
]
