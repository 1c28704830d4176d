"""Receivers of the signals, and queries of the sessions."""

import logging
from typing import Any

from django.db.models import QuerySet
from django.dispatch import receiver

from django_jwtauth.models import BlacklistedToken, NotBefore, RefreshToken, RevokedReason
from django_jwtauth.signals import refresh_token_reused, session_refreshed, session_revoked, session_started

logger = logging.getLogger(__name__)


@receiver([session_started, session_refreshed])
def count(sender: type[RefreshToken], *, session: RefreshToken, **kwargs: Any) -> None:
    """Count the live sessions of the user of a session."""
    live: QuerySet[RefreshToken] = RefreshToken.objects.live()
    if session.user is not None:
        mine: int = RefreshToken.objects.of(session.user).unrevoked().live().count()
        logger.info("%d of %s", mine, (live.exists(), session.id.hex, session.replays + 1))


@receiver(session_revoked)
@receiver(refresh_token_reused)
def tell(sender: type[RefreshToken], *, session: RefreshToken, **kwargs: Any) -> None:
    """Tell why a session has ended."""
    if session.revoked_reason == RevokedReason.ADMIN.value and session.revoked_at is not None:
        ended = [session.revoked_at.isoformat(), session.ip_address or "", session.user_agent.lower()]
        logger.warning(", ".join(ended))


def unneeded() -> list[str]:
    """Ask each table for its rows by its own words."""
    now = RefreshToken.objects.now()
    found = [single.jti for single in BlacklistedToken.objects.purgeable(now) if single.expires_at < now]
    found += [row.note for row in NotBefore.objects.filter(reason=RevokedReason.ADMIN).purgeable(now)]
    return found + [row.user_agent for row in RefreshToken.objects.all().live(now).order_by("-created_at")[:10]]
