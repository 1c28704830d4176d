"""The second service's URLs."""

import os
import time

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.apps import apps
from django.db import connections
from django.urls import path
from django.utils.decorators import sync_and_async_middleware
from rest_framework.response import Response
from rest_framework.views import APIView

assert not apps.is_installed("django_jwtauth")
assert connections["default"].vendor == "unknown"  # Django's stand-in, which refuses all queries


class StockView(APIView):
    """What is asked for with access tokens of the issuer."""

    def get(self, request):
        """Say who asks. Takes its time, so that requests that come together are met by more than one worker."""
        time.sleep(0.005)
        return Response({"subject": request.user.pk, "issuer": request.user.issuer})


urlpatterns = [path("", StockView.as_view())]


@sync_and_async_middleware
def name_worker(get_response):
    """Middleware: say which process has answered."""
    if iscoroutinefunction(get_response):

        async def middleware(request):
            response = await get_response(request)
            response["Worker"] = str(os.getpid())  # not before the fork
            return response

        return markcoroutinefunction(middleware)

    def middleware(request):
        response = get_response(request)
        response["Worker"] = str(os.getpid())  # not before the fork
        return response

    return middleware
