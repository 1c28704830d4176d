"""Helpers for projects that test their own API. Sessions, keys, tokens and signatures are real; there are no mocks.

They also work in a service without a database, where the subject of a token stands for the user.
"""

from ._clients import AsyncJWTClient, JWTClient, JWTTestMixin
from ._issuer import Issuer
from ._sign_in import SignedIn, asign_in, force_authenticate, sign_in, sign_out
from ._state import reset_state
from ._tokens import FAULTS, make_token, stateless_user

__all__ = [
    "FAULTS",
    "AsyncJWTClient",
    "Issuer",
    "JWTClient",
    "JWTTestMixin",
    "SignedIn",
    "asign_in",
    "force_authenticate",
    "make_token",
    "reset_state",
    "sign_in",
    "sign_out",
    "stateless_user",
]
