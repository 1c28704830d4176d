"""How large and how fast the revocation list is, at the issuer and in a service that polls it.

Run ``python benchmarks/revocation_list.py``; :mod:`project` explains the choice of database.
"""

import gzip
import statistics
import time
import tracemalloc
import uuid
from collections.abc import Callable
from typing import Any

import jwt
from project import EVERYONE, SIZES, fill, machine, new_database, say, table

from django_jwtauth._core import jws
from django_jwtauth._core.revocation_list import RevocationList, SignedList
from django_jwtauth.keys import Key, KeySet

ISSUER = "https://auth.example.com"
RUNS = 7
LOOK_UPS = 100_000
CASES: tuple[tuple[str, int], ...] = (*((f"{size:,}", size) for size in SIZES), ("everyone", 0))


def median(action: Callable[[], Any], *, runs: int = RUNS, count: int = 1) -> float:
    """Return the median time of one call, in seconds.

    Args:
        action: The function to call.
        runs: The number of measurements.
        count: The number of calls in one measurement.
    """
    times = []
    for _ in range(runs):
        start = time.perf_counter()
        for _ in range(count):
            action()
        times.append((time.perf_counter() - start) / count)
    return statistics.median(times)


def ratio(value: float, base: float) -> str:
    """Return how many times as large as the base a value is."""
    return f"{value / base:,.1f}"


def milliseconds(value: float) -> str:
    """Return seconds as milliseconds."""
    return f"{value * 1000:,.2f}"


def token_of(key: Key) -> tuple[str, dict[str, Any]]:
    """Return an access token, and its claims."""
    now = int(time.time())
    ids = {"jti": uuid.uuid4().hex, "sid": str(uuid.uuid4())}
    claims = {"iss": ISSUER, "sub": "1", "aud": ISSUER, "client_id": "web", "iat": now + 2, "exp": now + 302, **ids}
    return jws.sign(claims, typ="at+jwt", key=key), claims


def measure_document(key: Key) -> None:
    """Measure the document: signing it, its size, reading it, its memory, and look-ups in it."""
    keys, now = KeySet([key]), int(time.time())
    raw, claims = token_of(key)
    public = jwt.PyJWK(key.public_jwk()).key
    options: Any = {"verify_aud": False, "verify_iat": False}
    rows, base = [], 0.0
    for name, size in CASES:
        revoked = RevocationList(
            sids=frozenset(str(uuid.uuid4()) for _ in range(size)), not_before=0 if size else now - 1
        )
        document = SignedList(revoked=revoked, issued_at=now, expires_at=now + 60, ttl=2, max_lifetime=300)
        body = document.sign(issuer=ISSUER, key=key).encode()

        def read(body: bytes = body) -> SignedList:
            return SignedList.read(body, issuer=ISSUER, keys=keys, leeway=5, now=now)

        signing = median(lambda document=document: document.sign(issuer=ISSUER, key=key))  # type: ignore[misc]
        reading = median(read)
        tracemalloc.start()
        kept = read()
        memory, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        covers = kept.revoked.covers
        if covers(claims):
            raise AssertionError("a token that was not revoked is on the list")
        look_up = median(lambda covers=covers: covers(claims), count=LOOK_UPS)  # type: ignore[misc]
        base = base or look_up
        # Measured again in each case: a machine with other work is slower at some times than at others.
        signature = median(lambda: jwt.decode(raw, public, algorithms=["ES256"], options=options), count=200)
        rows.append(
            [
                name,
                f"{len(body):,}",
                f"{len(gzip.compress(body, 6)):,}",
                f"{memory / 1e6:,.1f}",
                f"{peak / 1e6:,.1f}",
                milliseconds(signing),
                milliseconds(reading),
                f"{look_up * 1e6:.2f}",
                ratio(look_up, base),
                ratio(signature, look_up),
            ]
        )
    say("The document. Times are medians. One look-up is made per request.", "")
    head = "revoked|bytes|gzip|memory MB|peak while reading MB|sign ms|read ms|look-up µs|× 1 entry|ES256, in look-ups"
    table(head.split("|"), rows)


def measure_database() -> None:
    """Measure how the issuer reads its list: all of it, as it does once a minute, and only what is new."""
    from django_jwtauth import sessions
    from django_jwtauth.revocation_cache import LocalRevocations

    rows, base = [], 0.0
    for name, size in CASES:
        fill(revoked=size, live=0 if size else EVERYONE)
        if not size:
            sessions.revoke_everyone()
        local = LocalRevocations()

        def read(local: LocalRevocations = local) -> Any:
            reading = local.fresh(interval=-1, patience=60)
            if reading is None:
                raise AssertionError("the list cannot be read")
            return reading.value

        def read_all(local: LocalRevocations = local, read: Callable[[], Any] = read) -> Any:
            local.mark_stale(removed=True)
            return read()

        full = median(read_all)
        new = median(read)
        found = read()
        if len(found.sids) != size or bool(found.not_before) == bool(size):
            raise AssertionError("the list does not match what was revoked")
        base = base or full
        rows.append([name, milliseconds(full), milliseconds(new), ratio(full, base), ratio(new, base)])
    say(f"The issuer reads its database ({machine()}); with {EVERYONE:,} sessions when everyone is signed out.", "")
    table(["revoked", "all ms", "what is new ms", "all, × 1 entry", "what is new, × 1 entry"], rows)


def main() -> None:
    """Measure the document, then the database."""
    key = Key.generate("ES256")
    measure_document(key)
    with new_database(issuer=ISSUER, key=key):
        measure_database()


if __name__ == "__main__":
    main()
