"""Mistakes that a type checker finds: it complains as well where an ignored line has none."""

from django_jwtauth import sessions
from django_jwtauth.models import RefreshToken
from django_jwtauth.permissions import HasScope, RecentLogin
from django_jwtauth.verifier import Verifier


def mistakes(verifier: Verifier, session: RefreshToken) -> None:
    """Use things that are not there, and give wrong arguments."""
    RefreshToken.objects.alive()  # type: ignore[attr-defined]
    RefreshToken.objects.filter(acr="").alive()  # type: ignore[attr-defined]
    sessions.start("ada")  # type: ignore[arg-type]
    sessions.refresh("raw", grace=1)  # type: ignore[call-arg]
    sessions.revoke(1)  # type: ignore[arg-type]
    verifier.verify("raw").tenant.lower()  # type: ignore[attr-defined]
    HasScope(1)  # type: ignore[arg-type]
    RecentLogin(600)  # type: ignore[call-arg]
    session.replays.lower()  # type: ignore[attr-defined]
