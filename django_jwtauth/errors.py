"""The errors of this library.

Each carries a ``code`` (what kind of refusal, the word Simple JWT's clients know) and a ``reason``
(why), both stable and meant for programs. Messages for people are made at the REST framework edge.
"""

_CODES = {"user_inactive": "user_inactive", "password_changed": "password_changed"}


class JWTAuthError(Exception):
    """The base of all errors raised by this library.

    Attributes:
        code: What was refused, e.g. ``token_not_valid``.
        reason: Why, e.g. ``expired``.
    """

    def __init__(self, code: str, reason: str, message: str = "") -> None:
        super().__init__(code, reason, message)
        self.code = code
        self.reason = reason
        self.message = message

    def __str__(self) -> str:
        return self.message or f"{self.code}: {self.reason}"


class InvalidTokenError(JWTAuthError):
    """A token, or the session behind it, is refused. Nothing about the token is in the message."""

    def __init__(self, reason: str, code: str = "", message: str = "") -> None:
        super().__init__(code or _CODES.get(reason, "token_not_valid"), reason, message)

    def __reduce__(self) -> tuple[type["InvalidTokenError"], tuple[str, str, str]]:
        return type(self), (self.reason, self.code, self.message)


class RefreshConflictError(JWTAuthError):
    """Two rotations of one session met twice in a row. Nothing was changed; try again."""

    def __init__(self) -> None:
        super().__init__("temporarily_unavailable", "conflict", "Another refresh of this session is under way.")

    def __reduce__(self) -> tuple[type["RefreshConflictError"], tuple[()]]:
        return type(self), ()


class InvalidScopeError(JWTAuthError, ValueError):
    """A scope was asked for that is none, or more than was granted (RFC 6749 section 5.2, ``invalid_scope``)."""

    def __init__(self, message: str) -> None:
        super().__init__("invalid_scope", "invalid_scope", message)

    def __reduce__(self) -> tuple[type["InvalidScopeError"], tuple[str]]:
        return type(self), (self.message,)


class InvalidTargetError(JWTAuthError, ValueError):
    """A resource was asked for that there is not, or not for this user (RFC 8707 section 2, ``invalid_target``)."""

    def __init__(self, message: str) -> None:
        super().__init__("invalid_target", "invalid_target", message)

    def __reduce__(self) -> tuple[type["InvalidTargetError"], tuple[str]]:
        return type(self), (self.message,)


class InsufficientScopeError(JWTAuthError):
    """A token is good, but not for this (RFC 6750 section 3.1, ``insufficient_scope``): an answer is 403, not 401.

    Attributes:
        scope: What is needed, separated by spaces.
    """

    def __init__(self, scope: str) -> None:
        super().__init__("insufficient_scope", "insufficient_scope", f"The token lacks the scope {scope!r}.")
        self.scope = scope

    def __reduce__(self) -> tuple[type["InsufficientScopeError"], tuple[str]]:
        return type(self), (self.scope,)


class InvalidKeyError(JWTAuthError):
    """A key cannot be used: unreadable, too weak, or not fit for its algorithm. Never holds key material."""

    def __init__(self, message: str) -> None:
        super().__init__("invalid_key", "invalid", message)

    def __reduce__(self) -> tuple[type["InvalidKeyError"], tuple[str]]:
        return type(self), (self.message,)


class ClaimsHookError(JWTAuthError):
    """A claims hook failed, or gave what cannot be put into a token.

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
    """A claims hook tried to set a registered claim (RFC 9068 section 2.2)."""

    def __init__(self, hook: str, message: str, reason: str = "reserved") -> None:
        super().__init__(hook, message, reason)
