"""What it costs a service to follow a long revocation list, and how soon it knows: by the changes, and by the list.

The list has 1,000 to 500,000 entries, and ten a second are added. In one process: the bytes of a poll, and the
processor time that it takes at the service and at the issuer. Then in real processes, as in ``revocation_delay``: how
long it takes from the commit of a revocation until the service refuses the token.
"""

import os
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from socket import create_server
from typing import Any

from django_jwtauth._core.revocation_list import SignedChanges, SignedList
from django_jwtauth.keys import Key, KeySet

from .measure import Options, Row, Table
from .project import fill, new_database, say
from .revocation_delay import BOUND, INTERVAL, measure, process

LIST, CHANGES = "/.well-known/jwt-revocations", "/.well-known/jwt-revocations/changes"
SIZES = (1_000, 10_000, 100_000, 500_000)
PER_SECOND = 10
POLLS = 12
TRIES = 8
LIMIT = 60.0
"""How long a service that fetches the list may take: no promise, but the measurement has to end."""
GOAL = "≤ 1/20"


def revoke(count: int) -> None:
    """Add revoked sessions, as other processes of the issuer would."""
    from django.contrib.auth import get_user_model
    from django.utils import timezone

    from django_jwtauth.models import RefreshToken

    now, user = timezone.now(), get_user_model().objects.get()
    times = dict.fromkeys(("created_at", "rotated_at", "auth_time", "revoked_at"), now)
    RefreshToken.objects.bulk_create(
        [
            RefreshToken(
                user=user,
                secret=os.urandom(32),
                auth_hash=os.urandom(32),
                expires_at=now + timedelta(days=90),
                revoked_reason="admin",
                **times,
            )
            for _ in range(count)
        ]
    )


def timed(function: Callable[[], Any]) -> tuple[Any, float]:
    """Call a function; return its result and how many seconds of processor time it took."""
    began = time.process_time()
    result = function()
    return result, time.process_time() - began


def poll(issuer: str, key: Key, polls: int) -> dict[str, float]:
    """Poll both documents in turns, and return the medians: bytes, and seconds of processor time."""
    from django.test import Client

    from django_jwtauth import published_list, revocation_cache

    published_list.forget()
    revocation_cache.forget()
    http, keys = Client(), KeySet([key])
    common: dict[str, Any] = {"issuer": issuer, "keys": keys, "leeway": 5}
    figures: dict[str, list[float]] = {}

    def add(**values: float) -> None:
        for name, value in values.items():
            figures.setdefault(name, []).append(value)

    def read_list() -> SignedList:
        return SignedList.read(body, now=time.time(), **common)

    def follow() -> SignedList | None:
        return held.follow(SignedChanges.read(changes, now=time.time(), **common), etag="")

    body = http.get(LIST).content
    held = read_list()
    for _ in range(polls):
        time.sleep(INTERVAL.total_seconds())
        revoke(PER_SECOND * int(INTERVAL.total_seconds()))
        _, reading = timed(lambda: revocation_cache.latest(max_age=1))
        changes, signing_changes = timed(lambda: http.get(CHANGES).content)
        body, signing = timed(lambda: http.get(LIST).content)
        whole, reading_list = timed(read_list)
        following, reading_changes = timed(follow)
        if following is None or set(following.revoked.sids) != set(whole.revoked.sids):
            raise AssertionError("the changes do not lead to the list")
        held = following
        add(list_bytes=len(body), bytes=len(changes), list_service=reading_list, service=reading_changes)
        add(reading=reading, list_issuer=signing, issuer=signing_changes)
    return {name: statistics.median(values) for name, values in figures.items()}


def measure_polls(issuer: str, key: Key, options: Options, sizes: tuple[int, ...]) -> Iterator[Row | Table]:
    """Measure bytes and processor time."""
    rows = []
    for size in sizes:
        polls = options.rounds(POLLS)
        fill(revoked=size - PER_SECOND * int(INTERVAL.total_seconds()) * polls)
        found = poll(issuer, key, polls)
        cells = [f"{size:,}"]
        for one, other, form in (
            ("list_bytes", "bytes", "{:,.0f}"),
            ("list_service", "service", "{:,.2f}"),
            ("list_issuer", "issuer", "{:,.2f}"),
        ):
            scale = 1 if one == "list_bytes" else 1000
            cells += [form.format(found[name] * scale) for name in (one, other)]
            cells.append(f"1/{found[one] / found[other]:,.0f}" if found[one] > found[other] else "1")
        rows.append((*cells, f"{found['reading'] * 1000:,.2f}"))
        if size == 100_000:
            for name, (one, other, unit, scale) in {
                "bytes": ("list_bytes", "bytes", "kB", 1e-3),
                "processor time of the service": ("list_service", "service", "µs", 1e6),
            }.items():
                yield Row(
                    name=f"a poll, {name} ({size:,} entries)",
                    ours=found[other] * scale,
                    peer="the list",
                    theirs=found[one] * scale,
                    unit=unit,
                    goal=GOAL,
                )
    head = (
        "entries|list, bytes|changes, bytes|ratio|service: list, ms|changes, ms|ratio|"
        "issuer: list, ms|changes, ms|ratio|reads its tables, ms"
    )
    yield Table(
        title=f"A poll, with {PER_SECOND} new entries a second",
        head=tuple(head.split("|")),
        rows=tuple(rows),
        database=options.database,
    )


def delays_of(url: str, fd: int, key: Key, options: Options, database: str, only_list: bool) -> list[float]:
    """Return how many seconds revocations took until a service refused the token."""
    from django_jwtauth import sessions

    stop = threading.Event()

    def go_on() -> None:
        from django.db import connection

        while not stop.wait(1 / PER_SECOND):
            revoke(1)
        connection.close()

    others = threading.Thread(target=go_on)
    arguments = ["only the list"] if only_list else []
    with (
        process(
            "publish", str(fd), key.private_pem(), options.database, database, *arguments, inherits=(fd,)
        ) as issuer,
        process("watch", url) as ask,
    ):
        if (answer := issuer()) != "ready":
            raise AssertionError(answer)
        others.start()
        try:
            return measure(ask, sessions.revoke, tries=options.rounds(TRIES), bound=LIMIT if only_list else BOUND)
        finally:
            stop.set()
            others.join()


def run(options: Options) -> Iterator[Row | Table]:
    """Measure the polls, then the delays."""
    key = Key.generate("ES256")
    sizes = SIZES[:2] if options.quick else SIZES
    with create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        with new_database(options.database, issuer=url, pem=key.private_pem()) as database:
            yield from measure_polls(url, key, options, sizes)
            rows = []
            for size in sizes:
                fill(revoked=size - 1000 if size == max(SIZES) else size)
                found = []
                for only_list in (True, False):
                    delays = delays_of(url, listener.fileno(), key, options, database, only_list)
                    found += [min(delays), statistics.median(delays), max(delays)]
                rows.append((f"{size:,}", *map("{:.2f}".format, found)))
                say(" ".join(rows[-1]))
            head = "entries|list: minimum|median|maximum|changes: minimum|median|maximum"
            yield Table(
                title=f"Seconds from the commit until the token is refused; with the changes all below {BOUND:g} s",
                head=tuple(head.split("|")),
                rows=tuple(rows),
                database=options.database,
            )
