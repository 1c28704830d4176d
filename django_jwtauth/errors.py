"""The errors of this library.

Each one carries a ``code`` (what kind of refusal, in the words that clients of Simple JWT know) and a ``reason`` (why).
Both are stable and meant for programs. An error may also carry a message in English. What a client is shown is decided
by :func:`django_jwtauth.refusals.error_body`: a translated text for the code or the reason, or else this message.

Nothing here needs REST framework. Where that is used, :mod:`django_jwtauth.refusals` makes API exceptions of the errors
that a client can cause.
"""

_CODES = {
    "credentials": "no_active_account",
    **dict.fromkeys(("challenge", "second_factor", "unverified_address", "unverified_phone"), "challenge_required"),
    "user_inactive": "user_inactive",
    "password_changed": "password_changed",
    **dict.fromkeys(("not_authenticated", "no_token"), "not_authenticated"),
    "csrf": "csrf_failed",
    # The token may be good: a client must not drop it.
    **dict.fromkeys(("stale", "conflict", "unavailable"), "temporarily_unavailable"),
    **{reason: reason for reason in ("insufficient_scope", "insufficient_user_authentication")},
}
"""By reason, the codes of refusals where they are not ``token_not_valid``."""


def code_of(reason: str) -> str:
    """Return the code of a reason, where the refusal does not name another one."""
    return _CODES.get(reason, "token_not_valid")


class JWTAuthError(Exception):
    """The base class of the errors of this library.

    Attributes:
        code: What kind of refusal it is, for example ``token_not_valid``.
        reason: Why, for example ``expired``.
        message: An English text, or empty.
    """

    def __init__(self, code: str, reason: str, message: str = "") -> None:
        # Not super(): with REST framework, another base may follow, whose arguments are others.
        Exception.__init__(self, code, reason, message)
        self.code = code
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return self.message or f"{self.code}: {self.reason}"


class InvalidTokenError(JWTAuthError):
    """A token, or the session it belongs to, is refused. Our messages say nothing about the token."""

    def __init__(self, reason: str, code: str = "", message: str = "") -> None:
        super().__init__(code or _CODES.get(reason, "token_not_valid"), reason, message)

    def __reduce__(self) -> tuple[type["InvalidTokenError"], tuple[str, str, str]]:
        return type(self), (self.reason, self.code, self.message)


class RefreshConflictError(JWTAuthError):
    """Other refreshes of the session came first, twice. This one changed nothing; try again."""

    def __init__(self) -> None:
        super().__init__(code_of("conflict"), "conflict", "Other refreshes of this session came first; try again.")

    def __reduce__(self) -> tuple[type["RefreshConflictError"], tuple[()]]:
        return type(self), ()


class InvalidScopeError(JWTAuthError, ValueError):
    """The requested scope is malformed, or more than was granted (RFC 6749 section 5.2, ``invalid_scope``)."""

    def __init__(self, message: str) -> None:
        super().__init__("invalid_scope", "invalid_scope", message)

    def __reduce__(self) -> tuple[type["InvalidScopeError"], tuple[str]]:
        return type(self), (self.message,)


class InvalidTargetError(JWTAuthError, ValueError):
    """The requested resource is unknown, or not allowed for this user (RFC 8707 section 2, ``invalid_target``)."""

    def __init__(self, message: str) -> None:
        super().__init__("invalid_target", "invalid_target", message)

    def __reduce__(self) -> tuple[type["InvalidTargetError"], tuple[str]]:
        return type(self), (self.message,)


class InsufficientScopeError(JWTAuthError):
    """A valid token lacks a scope (RFC 6750 section 3.1, ``insufficient_scope``). The answer is 403, not 401.

    Attributes:
        scope: The scopes that are needed, separated by spaces.
    """

    def __init__(self, scope: str) -> None:
        super().__init__("insufficient_scope", "insufficient_scope", f"The token lacks the scope {scope!r}.")
        self.scope = scope

    def __reduce__(self) -> tuple[type["InsufficientScopeError"], tuple[str]]:
        return type(self), (self.scope,)


class InvalidKeyError(JWTAuthError):
    """A key cannot be used: it is unreadable, too weak, or of another kind than its algorithm.

    The message never holds key material.
    """

    def __init__(self, message: str) -> None:
        super().__init__("invalid_key", "invalid", message)

    def __reduce__(self) -> tuple[type["InvalidKeyError"], tuple[str]]:
        return type(self), (self.message,)


class ClaimsHookError(JWTAuthError):
    """A claims hook failed, or returned what cannot be put into a token.

    Attributes:
        hook: The dotted path of the hook.
    """

    def __init__(self, hook: str, message: str, reason: str = "failed") -> None:
        super().__init__("claims_hook", reason, f"Claims hook {hook}: {message}")
        self.hook = hook
        self._detail = message

    def __reduce__(self) -> tuple[type["ClaimsHookError"], tuple[str, str, str]]:
        return type(self), (self.hook, self._detail, self.reason)


class ReservedClaimError(ClaimsHookError):
    """A claims hook tried to set a reserved claim, for example ``sub`` (RFC 9068 section 2.2)."""

    def __init__(self, hook: str, message: str, reason: str = "reserved") -> None:
        super().__init__(hook, message, reason)
