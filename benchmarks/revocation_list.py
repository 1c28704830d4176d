"""How large and how fast the revocation list is, at the issuer and in a service that polls it."""

import gzip
import time
import tracemalloc
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import jwt

from django_jwtauth._core import jws
from django_jwtauth._core.revocation_list import RevocationList, SignedList
from django_jwtauth.keys import Key, KeySet

from .measure import Options, Row, Table, in_turns, median, milliseconds, ratio
from .project import EVERYONE, fill, new_database

ISSUER = "https://auth.example.com"
LOOK_UPS = 10_000
SIZES = (1, 1_000, 10_000, 100_000, 500_000)
"""The numbers of revoked sessions in the list; 500,000 is the most that is published."""


def cases(options: Options) -> tuple[tuple[str, int], ...]:
    """Return the lists to measure: name and size. The size of the last one is 0: everyone is signed out."""
    sizes = SIZES[:3] if options.quick else SIZES
    return (*((f"{size:,}", size) for size in sizes), ("everyone", 0))


def token_of(key: Key) -> tuple[str, dict[str, Any]]:
    """Return an access token, and its claims."""
    now = int(time.time())
    ids = {"jti": uuid.uuid4().hex, "sid": str(uuid.uuid4())}
    claims = {"iss": ISSUER, "sub": "1", "aud": ISSUER, "client_id": "web", "iat": now + 2, "exp": now + 302, **ids}
    return jws.sign(claims, typ="at+jwt", key=key), claims


def measure_document(key: Key, options: Options) -> Iterator[Row | Table]:
    """Measure the document: signing it, its size, reading it, its memory, and look-ups in it."""
    keys, now = KeySet([key]), int(time.time())
    raw, claims = token_of(key)
    public = jwt.PyJWK(key.public_jwk()).key
    unchecked: Any = {"verify_aud": False, "verify_iat": False}
    rows, base, look_ups = [], 0.0, {}
    for name, size in cases(options):
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
        look_ups[name] = lambda covers=covers: lambda: covers(claims)
        # Measured again in each case: a machine with other work is slower at some times than at others.
        signature = median(lambda: jwt.decode(raw, public, algorithms=["ES256"], options=unchecked), count=200)
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
    names = list(look_ups)
    times = in_turns(look_ups, rounds=options.rounds(40), calls=LOOK_UPS)
    yield Row(
        name=f"look-up in a revocation list of {names[-2]}",
        ours=times[names[-2]],
        peer="a list of one",
        theirs=times[names[0]],
        unit="µs",
    )
    head = "revoked|bytes|gzip|memory MB|peak while reading MB|sign ms|read ms|look-up µs|× 1 entry|ES256, in look-ups"
    yield Table(title="The revocation list", head=tuple(head.split("|")), rows=tuple(map(tuple, rows)))


def measure_database(options: Options) -> Iterator[Table]:
    """Measure how the issuer reads its list: all of it, as it does once a minute, and only what is new."""
    from django_jwtauth import sessions
    from django_jwtauth.revocation_cache import LocalRevocations

    rows, base = [], 0.0
    for name, size in cases(options):
        if options.quick and not size:
            continue  # it needs a million sessions
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
    yield Table(
        title=f"The issuer reads its list; with {EVERYONE:,} sessions when everyone is signed out",
        head=("revoked", "all ms", "what is new ms", "all, × 1 entry", "what is new, × 1 entry"),
        rows=tuple(map(tuple, rows)),
        database=options.database,
    )


def run(options: Options) -> Iterator[Row | Table]:
    """Measure the document, then the database."""
    key = Key.generate("ES256")
    yield from measure_document(key, options)
    with new_database(options.database, issuer=ISSUER, pem=key.private_pem()):
        yield from measure_database(options)
