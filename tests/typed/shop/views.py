"""Views that start, refresh and revoke sessions, and require something of tokens."""

from collections.abc import Callable, Coroutine
from datetime import timedelta
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from django_jwtauth import sessions
from django_jwtauth.authentication import JWTAuthentication, StatelessJWTAuthentication
from django_jwtauth.decorators import jwt_required
from django_jwtauth.errors import InvalidTokenError, JWTAuthError
from django_jwtauth.models import RefreshToken
from django_jwtauth.permissions import HasAnyScope, HasClaim, HasScope, RecentLogin, RequireACR
from django_jwtauth.verifier import AccessToken, Verifier

verifier = Verifier(
    issuer="https://auth.example.com",
    audience=["https://orders.example.com"],
    poll_interval=timedelta(seconds=5),
)


class Orders(APIView):
    """A view that needs a scope and a claim, and a recent sign-in to write."""

    authentication_classes = [JWTAuthentication, StatelessJWTAuthentication]
    permission_classes = [
        HasScope("orders:read", post="orders:write") & HasClaim("tenant"),
        HasAnyScope("a", "b") | RecentLogin(max_age=600) | RequireACR("high"),
    ]

    def get(self, request: Request) -> Response:
        """Return what the token says."""
        token = request.auth
        assert isinstance(token, AccessToken)
        tenant: object = token.claims["tenant"]
        return Response({"tenant": tenant, "until": token.expires_at.isoformat(), "scopes": sorted(token.scopes)})


def pair_of(user: AbstractBaseUser, request: HttpRequest) -> dict[str, str]:
    """Sign a user in, and refresh at once."""
    pair = sessions.start(user, request=request, amr=["pwd"], scope="orders:read")
    again: sessions.TokenPair = sessions.refresh(pair.refresh, request=request)
    session: RefreshToken = again.session
    return {"access": again.access, "refresh": again.refresh, "id": str(session.id)}


async def pair_of_async(user: AbstractBaseUser) -> str:
    """Do the same on an event loop."""
    pair = await sessions.astart(user)
    return (await sessions.arefresh(pair.refresh)).access


def end(session: RefreshToken, user: AbstractBaseUser) -> int:
    """End a session, a query of sessions, and all sessions of a user."""
    ended = sessions.revoke(session, by=user, note="asked for") + sessions.revoke(RefreshToken.objects.of(user).live())
    sessions.revoke_everyone()
    return ended + sessions.revoke_all(user)


def subject_of(raw: str) -> str:
    """Verify a token without Django."""
    try:
        token = verifier.verify(raw, scopes=["orders:read"])
    except InvalidTokenError as error:
        return error.reason
    except JWTAuthError as error:
        return error.code
    sid: str = token.sid
    return f"{token.subject} {sid} {token.issued_at:%H:%M} {token.audience[0]}"


@jwt_required
def plain(request: HttpRequest) -> HttpResponse:
    """Answer a plain Django request."""
    return HttpResponse("")


@jwt_required(optional=True, authentication_class=StatelessJWTAuthentication)
async def aplain(request: HttpRequest, number: int) -> HttpResponse:
    """Answer one on an event loop."""
    return HttpResponse(plain(request).content * number)


decorated: Callable[[HttpRequest, int], Coroutine[Any, Any, HttpResponse]] = aplain
