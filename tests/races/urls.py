"""The endpoints of the tests, and a refresh endpoint in each form that projects give it."""

from django.urls import path

from django_jwtauth.views import TokenRefreshView
from tests.urls import urlpatterns as _urlpatterns


class OwnDispatch(TokenRefreshView):
    """A subclass that overrides ``dispatch``, where ``as_view()`` of Django looks for decorators."""

    def dispatch(self, request, *args, **kwargs):
        response = super().dispatch(request, *args, **kwargs)
        response["X-Own"] = "1"
        return response


def without_wraps(view):
    """A careless decorator: what was marked on the view function is lost."""

    def wrapper(request):
        return view(request)

    return wrapper


urlpatterns = [
    *_urlpatterns,
    path("own-dispatch/", OwnDispatch.as_view()),
    path("without-wraps/", without_wraps(TokenRefreshView.as_view())),
]
