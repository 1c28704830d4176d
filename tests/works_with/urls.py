from django.urls import include, path

from tests import urls

urlpatterns = [
    *urls.urlpatterns,
    path("silk/", include("silk.urls", namespace="silk")),
    path("hijack/", include("hijack.urls")),
    path("impersonate/", include("impersonate.urls")),
    path("o/", include("oauth2_provider.urls", namespace="oauth2_provider")),
    path("djoser/", include("djoser.urls")),
]
