"""A view beside the plain Django views that a middleware or a decorator authenticates."""

from rest_framework.authentication import SessionAuthentication
from rest_framework.permissions import AllowAny
from rest_framework.response import Response
from rest_framework.views import APIView


class OwnAPI(APIView):
    """A view of REST framework whose clients have Django's session, and no token."""

    authentication_classes = [SessionAuthentication]
    permission_classes = [AllowAny]

    def get(self, request):
        return Response({"user": request.user.get_username(), "plain": request._request.user.get_username()})
