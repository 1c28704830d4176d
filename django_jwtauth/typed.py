"""What each column holds, for type checkers such as pyright. mypy's plugin for Django finds that out by itself.

The models derive from these classes. They have no attributes, only annotations, which nothing reads at run time.
"""

import uuid
from datetime import date, datetime
from typing import Any

from django.contrib.auth.base_user import AbstractBaseUser
from django.db import models


class SessionColumns:
    """Of sessions."""

    id: "models.UUIDField[Any, uuid.UUID]"
    user: "models.ForeignKey[Any, AbstractBaseUser | None]"
    user_id: Any
    generation: "models.PositiveIntegerField[Any, int]"
    rotated_at: "models.DateTimeField[Any, datetime]"
    last_seen_on: "models.DateField[Any, date]"
    unseen_since: "models.DateTimeField[Any, datetime | None]"
    retried_generation: "models.PositiveIntegerField[Any, int | None]"
    created_at: "models.DateTimeField[Any, datetime]"
    expires_at: "models.DateTimeField[Any, datetime]"
    backend: "models.CharField[Any, str]"
    audience: "models.CharField[Any, str]"
    scope: "models.TextField[Any, str]"
    auth_time: "models.DateTimeField[Any, datetime]"
    amr: "models.JSONField[Any, list[str]]"
    acr: "models.CharField[Any, str]"
    actor: "models.CharField[Any, str]"
    actor_backend: "models.CharField[Any, str]"
    transport: "models.CharField[Any, str]"
    ip_address: "models.GenericIPAddressField[Any, str | None]"
    user_agent: "models.CharField[Any, str]"
    replays: "models.PositiveIntegerField[Any, int]"
    revoked_at: "models.DateTimeField[Any, datetime | None]"
    revoked_reason: "models.CharField[Any, str]"
    revoked_note: "models.CharField[Any, str]"
    revoked_by: "models.ForeignKey[Any, AbstractBaseUser | None]"
    revoked_by_id: Any


class BlacklistColumns:
    """Of single access tokens that were revoked."""

    jti: "models.CharField[Any, str]"
    user: "models.ForeignKey[Any, AbstractBaseUser | None]"
    user_id: Any
    expires_at: "models.DateTimeField[Any, datetime]"
    reason: "models.CharField[Any, str]"
    note: "models.CharField[Any, str]"
    created_at: "models.DateTimeField[Any, datetime]"


class NotBeforeColumns:
    """Of the times at which everyone was signed out."""

    not_before: "models.DateTimeField[Any, datetime]"
    created_at: "models.DateTimeField[Any, datetime]"
    reason: "models.CharField[Any, str]"
    note: "models.CharField[Any, str]"
    revoked_by: "models.ForeignKey[Any, AbstractBaseUser | None]"
    revoked_by_id: Any
