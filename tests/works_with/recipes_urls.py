from django.urls import path
from project.adrf_views import Me
from project.graphql import view
from project.ninja_api import api

from tests.urls import urlpatterns as _urlpatterns

urlpatterns = [
    *_urlpatterns,
    path("adrf/", Me.as_view()),
    path("ninja/", api.urls),
    path("graphql/", view),
]
