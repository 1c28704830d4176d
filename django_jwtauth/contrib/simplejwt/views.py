"""For the release in which Simple JWT still issues tokens, while other servers may already run the next one."""

import contextlib
import json
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.views.decorators.csrf import csrf_exempt

from ...database import never_atomic
from ...errors import InvalidTokenError
from ...secret import Secret, hidden, hide
from ...views import TokenBlacklistView, TokenRefreshView
from .models import ExchangedToken
from .reading import looks_old, read

ViewFunction = Callable[..., HttpResponseBase]


def refresh_old_or_new(old: ViewFunction) -> ViewFunction:
    """Return a view that refreshes the tokens of both libraries.

    Args:
        old: The view for those tokens of Simple JWT that no server has exchanged yet: its
            ``TokenRefreshView.as_view()``, or your subclass's.
    """
    return _old_or_new(old, TokenRefreshView.as_view())


def blacklist_old_or_new(old: ViewFunction) -> ViewFunction:
    """Return a view that ends the sessions of both libraries. The argument is as for :func:`refresh_old_or_new`."""
    return _old_or_new(old, TokenBlacklistView.as_view())


def _old_or_new(old: ViewFunction, new: ViewFunction) -> ViewFunction:
    @csrf_exempt  # as the views themselves, which no cookie authenticates
    def view(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        return (old if _is_unexchanged(request) else new)(request, *args, **kwargs)

    return never_atomic(view)


def _is_unexchanged(request: HttpRequest) -> bool:
    raw = _sent_token(request)
    if raw is None or not looks_old(raw):
        return False
    with contextlib.suppress(InvalidTokenError):
        token = read(raw, "refresh")
        exchanged = ExchangedToken.objects.filter(pk=token.session_id, exchanged_at__isnull=False)
        # Simple JWT has other views for sliding tokens. A sliding token that is sent here becomes a pair.
        return not token.is_sliding and not exchanged.exists()
    return True  # let Simple JWT say what is wrong with it


def _sent_token(request: HttpRequest) -> Secret | None:
    if request.content_type != "application/json":
        return _hidden_text(request.POST.get("refresh"))
    with contextlib.suppress(ValueError, RecursionError):
        body = hidden(json.loads(request.body))
        return _hidden_text(body.reveal().get("refresh")) if isinstance(body.reveal(), dict) else None
    return None  # our view says what is wrong with it


def _hidden_text(value: object) -> Secret | None:
    return hide(value) if isinstance(value, str) else None
