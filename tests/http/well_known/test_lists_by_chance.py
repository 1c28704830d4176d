"""Any sequence of revocations, late commits, expiries, polls, and of what a network and an attacker may do to them.

Two processes of an issuer read the same table at different times, by clocks that differ. A service polls one of them,
or gets something else: nothing, an error, an older document, a damaged or a forged one.
"""

import itertools
import random
from datetime import UTC, datetime

import hypothesis
import pytest
from hypothesis import strategies as st

from django_jwtauth import conf
from django_jwtauth._core import fetch, jws
from django_jwtauth._core.fetch import FetchError
from django_jwtauth._core.polling import Reading
from django_jwtauth._core.remote import Issuer, RemoteRevocations
from django_jwtauth.keys import Key, KeySet, b64url_decode, b64url_encode
from django_jwtauth.local_list import Entries, part_length
from django_jwtauth.published_list import Publisher
from tests.tools.keys import key_for
from tests.tools.well_known import ISSUER, jwtauth

LIST, CHANGES = "https://auth.example.com/list", "https://auth.example.com/list/changes"
OVERLAP = 60.0
FULL_READ = 60.0
START = 1_800_000_000.0
ES256 = key_for("ES256")
OTHER = Key.from_pem(Key.generate("ES256").private_pem(), alg="ES256", kid=ES256.kid)


class Table:
    """What the tables say: when each id was revoked, and from when on others see that."""

    def __init__(self):
        self.now = START
        self.rows = {}
        self.names = map("{:04}".format, itertools.count())

    def revoke(self, late):
        self.rows[next(self.names)] = self.now - late, self.now

    def keep(self, number):
        """Take back a revocation that nobody can have seen for long."""
        names = [name for name, (_, visible) in self.rows.items() if self.now - visible < 1]
        for name in names[number:]:
            del self.rows[name]

    def visible(self, since):
        return {name: at for name, (at, seen) in self.rows.items() if seen <= self.now and at >= since}


class Process:
    """A process of the issuer."""

    def __init__(self, table, *, ahead):
        self.table = table
        self.ahead = ahead
        self.restart()

    def restart(self):
        self.local, self.publisher, self.started, self.fully_read = None, Publisher(), float("-inf"), float("-inf")

    def answer(self, *, only_changes):
        """Return the document, what it must lead to, and when the tables were read for it."""
        config = conf.get_config()
        now = self.table.now
        if now - self.started > 1:
            full = self.local is None or now - self.fully_read >= FULL_READ
            begins_at = now - config.retention_seconds
            entries = Entries(None if full else self.local, begins_at=begins_at, length=part_length(config))
            since = entries.oldest.timestamp() if full else entries.newest.timestamp() - OVERLAP
            for name, at in self.table.visible(max(since, entries.oldest.timestamp())).items():
                entries.add(int(name) % 2, name, datetime.fromtimestamp(at, UTC))
            self.started = now
            self.fully_read = now if full else self.fully_read
            self.local = entries.as_list(not_before=0, begins_at=begins_at, fully_read_at=self.fully_read)
        reading = Reading(value=self.local, started=self.started, started_at=self.started + self.ahead)
        document = self.publisher.document(
            reading, config, config.signing_keys.signing_key, changes="list/changes", only_changes=only_changes
        )
        return document.body, {*self.local.sids, *self.local.jtis}


def forged(body):
    """Return documents that an attacker can make of a good one, and some from nowhere."""
    claims = jws.load_object(b64url_decode(body.split(b".")[1]))
    for typ in ("revocations+jwt", "revocation-changes+jwt"):
        yield jws.sign({**claims, "sids": [], "jtis": [], "parts": []}, typ=typ, key=OTHER).encode()
    yield body[:-3]
    yield body[: len(body) // 2]
    yield b""
    head, _, signature = body.split(b".")
    other = b64url_encode(jws._dump({**claims, "sids": [], "jtis": [], "parts": []})).encode()
    yield b".".join([head, other, signature])


NETWORK = st.sampled_from(["good"] * 6 + ["lost", "lost changes", 404, 503, "replayed", "swapped", "forged"])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("revoke"), st.sampled_from([0, 0, 0, 1, 20, 65])),
        st.tuples(st.just("keep"), st.integers(0, 2)),
        st.tuples(st.just("pass"), st.sampled_from([0.5, 1, 2, 2, 2, 5, 30, 100, 650])),
        st.tuples(st.just("restart"), st.integers(0, 1)),
        st.tuples(st.just("poll"), st.tuples(st.integers(0, 1), NETWORK)),
        st.tuples(st.just("poll"), st.tuples(st.integers(0, 1), st.just("good"))),
    ),
    min_size=5,
    max_size=60,
)


@pytest.fixture
def documents_at_hand():
    yield
    for url in (LIST, CHANGES):
        fetch.at_hand.pop(url, None)


AGAIN = [("revoke", 0), ("pass", 2), ("poll", (0, "good"))]


@pytest.mark.usefixtures("documents_at_hand")
@hypothesis.example(steps=[*AGAIN * 3, *[("poll", (0, "replayed"))] * 5], seed=0, ahead=0)
@hypothesis.given(steps=STEPS, seed=st.integers(0, 2**32), ahead=st.sampled_from([0, 0, 0.7, 4]))
@hypothesis.settings(suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture])
def test_a_service_holds_what_the_issuer_said_last_whatever_happens(steps, seed, ahead, settings):
    settings.JWTAUTH = jwtauth("ES256")
    table, dice = Table(), random.Random(seed)  # hypothesis chooses the seed
    processes = Process(table, ahead=0), Process(table, ahead=ahead)
    source = Issuer(issuer=ISSUER, jwks_url=LIST, revocations_url=LIST, timeout=1.0, allow_http=False)
    service = RemoteRevocations(
        source, keys=KeySet([ES256]), interval=2.0, max_staleness=300.0, fail_open=False, leeway=10**9
    )
    told = {}  # what each honest document leads to
    sent = {LIST: [], CHANGES: []}
    held = None

    def serve(process, how, url):
        def answer():
            if how in (404, 503) and url == CHANGES:
                raise FetchError("no", how)
            if how == "lost" or (how == "lost changes" and url == CHANGES):
                raise FetchError("no connection")
            earlier = sent[CHANGES if (url == LIST) is (how == "swapped") else LIST]
            if how in ("replayed", "swapped") and earlier:
                return dice.choice(earlier)
            body, ids = process.answer(only_changes=url == CHANGES)
            told[body] = ids
            sent[url].append(body)
            return dice.choice([*forged(body)]) if how == "forged" else body

        return answer

    for kind, value in steps:
        if kind == "revoke":
            table.revoke(value)
        elif kind == "keep":
            table.keep(value)
        elif kind == "pass":
            table.now += value
        elif kind == "restart":
            processes[value].restart()
        else:
            number, how = value
            process = processes[number]
            fetch.at_hand.update({url: serve(process, how, url) for url in (LIST, CHANGES)})
            before = None if held is None else {*held.revoked.sids, *held.revoked.jtis}
            service._changes_from = float("-inf")  # the pause after an attack would only hide the next one
            try:
                following = service.read(held)
            except FetchError:
                assert how != "good"
                assert held is None or {*held.revoked.sids, *held.revoked.jtis} == before
                continue
            now_held = {*following.revoked.sids, *following.revoked.jtis}
            # Exactly what one honest document said; or as much more, if that is not newer.
            is_newer = held is None or following.issued_at > held.issued_at
            known = set() if is_newer else before
            assert is_newer or following.issued_at == held.issued_at
            assert now_held in [known | ids for ids in told.values()]
            if how == "good":
                assert now_held == known | {*process.local.sids, *process.local.jtis}
                oldest = table.now - conf.get_config().retention_seconds
                assert now_held >= {
                    name
                    for name, (at, visible) in table.rows.items()
                    if at >= oldest and visible < process.started and visible - at <= 20
                }
            held = following
