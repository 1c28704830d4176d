"""Claims hooks: what access tokens of this project contain besides the registered claims."""

from typing import Any

from django.contrib.auth.models import User
from django.http import HttpRequest

from django_jwtauth.models import RefreshToken


def add_groups(user: User, *, request: HttpRequest | None, session: RefreshToken) -> dict[str, Any]:
    """Add the user's groups. Runs at each refresh too, so a change shows within one access token lifetime."""
    return {"groups": list(user.groups.order_by("name").values_list("name", flat=True))}
