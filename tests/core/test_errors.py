"""The errors: codes and reasons for programs, and nothing lost on the way between processes."""

import copy
import pickle

from django_jwtauth.errors import (
    ClaimsHookError,
    InsufficientScopeError,
    InvalidKeyError,
    InvalidScopeError,
    InvalidTargetError,
    InvalidTokenError,
    JWTAuthError,
    RefreshConflictError,
    ReservedClaimError,
)
from tests.tools.products import each_row

ERRORS = [
    (JWTAuthError("some_code", "some_reason"), "some_code", "some_reason", "some_code: some_reason"),
    (JWTAuthError("some_code", "some_reason", "Text."), "some_code", "some_reason", "Text."),
    (InvalidTokenError("expired"), "token_not_valid", "expired", "token_not_valid: expired"),
    (InvalidTokenError("user_inactive"), "user_inactive", "user_inactive", "user_inactive: user_inactive"),
    (
        InvalidTokenError("password_changed"),
        "password_changed",
        "password_changed",
        "password_changed: password_changed",
    ),
    (InvalidTokenError("invalid", code="user_not_found"), "user_not_found", "invalid", "user_not_found: invalid"),
    (InvalidTokenError("invalid", message="Text."), "token_not_valid", "invalid", "Text."),
    (
        RefreshConflictError(),
        "temporarily_unavailable",
        "conflict",
        "Other refreshes of this session came first; try again.",
    ),
    (InvalidKeyError("Too short."), "invalid_key", "invalid", "Too short."),
    (InvalidScopeError("Too wide."), "invalid_scope", "invalid_scope", "Too wide."),
    (InvalidTargetError("Unknown."), "invalid_target", "invalid_target", "Unknown."),
    (InsufficientScopeError("a b"), "insufficient_scope", "insufficient_scope", "The token lacks the scope 'a b'."),
    (ClaimsHookError("a.b", "it raised X."), "claims_hook", "failed", "Claims hook a.b: it raised X."),
    (ClaimsHookError("a.b", "long.", reason="too_long"), "claims_hook", "too_long", "Claims hook a.b: long."),
    (ReservedClaimError("a.b", "it set iss."), "claims_hook", "reserved", "Claims hook a.b: it set iss."),
]


@each_row(("error", "code", "reason", "text"), ERRORS, ids=lambda value: str(value)[:30])
def test_every_error_has_a_code_a_reason_and_a_text(error, code, reason, text):
    assert isinstance(error, JWTAuthError)
    assert (error.code, error.reason, str(error)) == (code, reason, text)


@each_row("error", [error for error, *_ in ERRORS], ids=str)
@each_row("clone", [copy.copy, copy.deepcopy, lambda error: pickle.loads(pickle.dumps(error))])
def test_errors_survive_copying_and_pickling(error, clone):
    # As they must for logging from other processes, and for parallel test runners.
    twin = clone(error)
    assert type(twin) is type(error)
    assert (twin.code, twin.reason, str(twin)) == (error.code, error.reason, str(error))
    assert getattr(twin, "hook", None) == getattr(error, "hook", None)


def test_a_reserved_claim_is_a_failing_hook():
    assert issubclass(ReservedClaimError, ClaimsHookError)
    assert ReservedClaimError("a.b", "x").hook == "a.b"
