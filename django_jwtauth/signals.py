"""Signals, all sent with ``send_robust``: a receiver that fails is logged, and changes nothing.

``session_started``, ``session_refreshed``
    Arguments: ``session`` (the :class:`~django_jwtauth.models.RefreshToken` row), ``user``, ``request`` (or ``None``).
``session_revoked``
    Arguments: ``session``, ``reason``, ``by`` (a user or ``None``). Sent once for each session that ended.
``refresh_token_reused``
    Arguments: ``session``, ``user``, ``request``. The session has been revoked when this is sent.
"""

from django.dispatch import Signal

session_started = Signal()
session_refreshed = Signal()
session_revoked = Signal()
refresh_token_reused = Signal()
