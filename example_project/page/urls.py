"""The URLs of the page."""

from django.urls import path

from example_project.page import views

urlpatterns = [
    path("", views.index, name="index"),
    path("config.json", views.config, name="config"),
    path("<str:name>", views.file, name="file"),
]
