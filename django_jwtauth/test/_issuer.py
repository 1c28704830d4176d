"""Another issuer, whose tokens a service accepts. Its keys and revocation list come from memory, not from a server."""

import json
from collections.abc import Callable, Mapping
from datetime import timedelta
from types import TracebackType
from typing import Any, Self, Unpack
from urllib.parse import urlsplit

from .. import conf
from .._core import fetch, remote
from .._core.clock import process_time
from .._core.revocation_list import RevocationList, SignedList
from ..keys import Key
from ..verifier import Verifier
from ._tokens import Options, check_fault, claims_of, new_claims, signed

LIST_SECONDS = 60


class Issuer:
    """An issuer of ``TRUSTED_ISSUERS``, or of a :class:`~django_jwtauth.verifier.Verifier`, for tests of a service.

    In its ``with`` block, the issuer's metadata, keys and revocation list come from memory. They are checked and cached
    as in production; only the network is left out.
    """

    def __init__(
        self,
        issuer: str,
        *,
        audience: str = "",
        key: Key | None = None,
        jwks_url: str = "",
        revocations_url: str = "",
        lifetime: timedelta = timedelta(minutes=5),
    ) -> None:
        """Make the keys of an issuer.

        Args:
            issuer: Its name, as in ``TRUSTED_ISSUERS``.
            audience: For whom its tokens are; by default what ``TRUSTED_ISSUERS`` says.
            key: What it signs with; by default a new ES256 key.
            jwks_url: Where its keys are; by default where ``TRUSTED_ISSUERS`` says, else the usual place.
            revocations_url: The same for its revocation list.
            lifetime: That of its access tokens.
        """
        self.issuer = issuer
        self.key = key or Key.generate("ES256")
        self._audience = audience
        self._given = {"jwks_uri": jwks_url, "jwt_revocations_uri": revocations_url}
        self._lifetime = int(lifetime.total_seconds())
        self._sids: set[str] = set()
        self._served: Mapping[str, Callable[[], bytes]] = {}

    def __enter__(self) -> Self:
        urls = self._urls()
        parts = urlsplit(self.issuer)
        metadata = f"{parts.scheme}://{parts.netloc}/.well-known/oauth-authorization-server{parts.path.rstrip('/')}"
        about = json.dumps({"issuer": self.issuer, **urls}).encode()
        jwks = json.dumps({"keys": [self.key.public_jwk()]}).encode()
        self._served = {
            metadata: lambda: about,
            urls["jwks_uri"]: lambda: jwks,
            urls["jwt_revocations_uri"]: self._list,
        }
        fetch.at_hand.update(self._served)
        remote.forget(self.issuer)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        remote.forget(self.issuer)
        for url in self._served:
            fetch.at_hand.pop(url, None)

    def make_token(self, subject: str, *, fault: str = "", **options: Unpack[Options]) -> str:
        """Return an access token of this issuer. No database is needed.

        Args:
            subject: The ``sub`` of the token.
            fault: As for :func:`make_token`.
            options: As for :func:`sign_in`.

        Raises:
            ValueError: if there is no such fault, or as for :func:`sign_in`.
            TypeError: if the subject is not text, or if there is no such argument.
        """
        check_fault(fault)
        if not isinstance(subject, str):
            raise TypeError(f"Another issuer's users are named by their subject, as text, not {subject!r}.")
        options["audience"] = options.get("audience") or self._audience_here()
        said = new_claims(subject, issuer=self.issuer, lifetime=self._lifetime, **options)
        raw = signed(said, key=self.key, fault=fault)
        if fault == "revoked":
            self.revoke(raw)
        return raw

    def headers(self, subject: str, **options: Any) -> dict[str, str]:
        """Return the headers of a request with such a token. Arguments as for :meth:`make_token`."""
        return {"Authorization": f"Bearer {self.make_token(subject, **options)}"}

    def revoke(self, raw: str) -> None:
        """End the session of a token. Services refuse it at the next request; they need not poll first.

        Args:
            raw: A token of this issuer.

        Raises:
            ValueError: if ``TRUSTED_ISSUERS`` says that the issuer has no revocation list.
        """
        if (verifier := self._verifier()) is not None and verifier.revocations is None:
            raise ValueError(
                f"JWTAUTH['TRUSTED_ISSUERS'][{self.issuer!r}] says that this issuer has no revocation list."
            )
        self._sids.add(claims_of(raw)["sid"])
        remote.forget(self.issuer)

    def _list(self) -> bytes:
        now = int(process_time())
        revoked = SignedList(
            revoked=RevocationList(sids=frozenset(self._sids)),
            issued_at=now,
            expires_at=now + LIST_SECONDS,
            ttl=1,
            max_lifetime=self._lifetime,
        )
        return revoked.sign(issuer=self.issuer, key=self.key).encode()

    def _audience_here(self) -> str:
        if self._audience:
            return self._audience
        verifier = self._verifier()
        if verifier is None:
            raise ValueError(
                f"{self.issuer!r} is not in JWTAUTH['TRUSTED_ISSUERS'], so it needs an audience: "
                f"Issuer({self.issuer!r}, audience=...)."
            )
        return verifier.audience[0]

    def _urls(self) -> dict[str, str]:
        base = f"{self.issuer.rstrip('/')}/.well-known"
        urls = {"jwks_uri": f"{base}/jwks.json", "jwt_revocations_uri": f"{base}/jwt-revocations"}
        keys = getattr(self._verifier(), "keys", None)
        if isinstance(keys, remote.RemoteKeys):
            source = keys.source
            known = {"jwks_uri": source.jwks_url, "jwt_revocations_uri": source.revocations_url}
            urls |= {name: url for name, url in known.items() if url}
        return urls | {name: url for name, url in self._given.items() if url}

    def _verifier(self) -> Verifier | None:
        return conf.get_config().verifiers.get(self.issuer)
