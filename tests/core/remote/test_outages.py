"""An issuer that cannot be reached, and processes that are cold, idle, forked, or without threads."""

import contextlib
import gc
import json
import logging
import os
import select
import signal
import threading
import warnings
from datetime import timedelta

import pytest

from django_jwtauth._core import remote
from django_jwtauth.keys import Key
from tests.tools.issuers import PATIENCE, Answer, as_json, make_old, read_anew
from tests.tools.polling import failures_of, is_reading, let_pass, locks_of, start_reading, thread_of, wait_until
from tests.tools.remote import DAY, HOUR, refused, strangers, together

# When the issuer is not there


def test_who_never_reached_the_issuer_accepts_nothing(issuer, server, warned):
    server.is_down = True
    for options in ({}, {"fail_open": True}):
        verifier = issuer.verifier(**options)
        assert together(8, lambda verifier=verifier: verifier.verify(issuer.token())) == ["stale"] * 8
        assert "cannot be fetched" in warned()


def test_without_a_list_ever_it_closes_or_opens_as_was_said(issuer, server):
    server.answers[issuer.list_path] = Answer(status=500)
    raw = issuer.token()
    assert refused(issuer.verifier(), raw) == "stale"
    assert issuer.verifier(fail_open=True).verify(raw)


@pytest.mark.parametrize("fail_open", [False, True])
def test_known_tokens_go_on_for_a_while_then_close_or_open_then_recover(issuer, server, fail_open):
    issuer.revoked["sids"] = ["session-2"]
    verifier = issuer.verifier(max_staleness=timedelta(hours=1), fail_open=fail_open)
    raw, revoked = issuer.token(), issuer.token(sid="session-2")
    assert verifier.verify(raw)
    server.is_down = True
    read_anew(verifier.revocations)
    read_anew(verifier.keys)
    make_old(verifier.revocations, HOUR - 2 * PATIENCE)
    assert verifier.verify(raw)
    assert refused(verifier, revoked) == "revoked"
    make_old(verifier.revocations, 2 * PATIENCE)
    if fail_open:
        assert verifier.verify(raw)
        assert refused(verifier, revoked) == "revoked"
    else:
        assert refused(verifier, raw) == refused(verifier, revoked) == "stale"
    issuer.revoked["sids"] = ["session-1"]
    server.is_down = False
    wait_until(verifier.revocations, lambda: failures_of(verifier.revocations) == 0)
    assert refused(verifier, raw) == "revoked"
    assert verifier.verify(revoked)


def test_who_starts_while_the_issuer_is_down_recovers_by_itself(issuer, server, caplog):
    server.is_down = True
    verifier = issuer.verifier()
    assert refused(verifier, issuer.token()) == "stale"
    events = {(record.jwtauth_event, record.jwtauth_issuer) for record in caplog.records}
    assert events == {("keys_unavailable", verifier.issuer)}
    server.is_down = False
    wait_until(verifier.keys, lambda: failures_of(verifier.keys) == 0)
    assert verifier.verify(issuer.token())


def test_what_was_not_thought_of_is_logged_with_its_traceback_and_survived(issuer, caplog, monkeypatch):
    verifier = issuer.verifier(revocations_url=None)
    assert verifier.verify(issuer.token())
    with monkeypatch.context() as patch:
        patch.setattr(remote, "read_jwks", lambda jwks, algorithms: 1 / 0)
        read_anew(verifier.keys)
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert record.exc_info[0] is ZeroDivisionError
    assert (record.jwtauth_event, record.jwtauth_reason) == ("keys_unavailable", "ZeroDivisionError")
    caplog.clear()
    assert verifier.verify(issuer.token())


# Cold, idle, forked, without threads


def test_a_cold_process_accepts_no_revoked_token(issuer, server):
    issuer.revoked["sids"] = ["session-1"]
    for _ in range(5):
        verifier = issuer.verifier()
        assert together(8, lambda verifier=verifier: verifier.verify(issuer.token())) == ["revoked"] * 8


def test_a_long_idle_process_accepts_no_token_that_was_revoked_meanwhile(issuer):
    verifier = issuer.verifier(max_staleness=timedelta(days=30))
    raw = issuer.token()
    assert verifier.verify(raw)
    for idle in (300, HOUR, DAY):  # of which the shortest is a bit more than two intervals
        issuer.revoked["sids"] = []
        read_anew(verifier.revocations)
        assert verifier.verify(raw)
        issuer.revoked["sids"] = ["session-1"]
        make_old(verifier.revocations, idle)
        assert together(8, lambda: verifier.verify(raw)) == ["revoked"] * 8


def test_where_no_thread_can_be_started_the_request_reads(issuer, server, monkeypatch):
    verifier = issuer.verifier()
    raw = issuer.token()
    server.answers[issuer.metadata_path] = as_json({"issuer": issuer.url})
    # The server's own threads must start.
    threads = threading.Thread.start

    def start(self):
        if self._target is not None and self._target.__name__ == "_poll":
            raise RuntimeError("can't start new thread")
        threads(self)

    monkeypatch.setattr(threading.Thread, "start", start)
    for _ in range(100):
        assert verifier.verify(raw)
    assert thread_of(verifier.keys) is None
    assert (server.count(issuer.jwks_path), server.count(issuer.list_path)) == (1, 1)
    issuer.revoked["sids"] = ["session-1"]
    make_old(verifier.revocations, 300)
    assert together(8, lambda: verifier.verify(raw)) == ["revoked"] * 8
    fresh = Key.generate("ES256")
    issuer.keys.append(fresh)
    let_pass(verifier.keys, remote.UNKNOWN_KID_SECONDS)
    assert verifier.verify(issuer.token(key=fresh, sid="session-2"))
    for stranger in strangers(issuer, 100):
        assert refused(verifier, stranger) == "invalid"
    assert server.count(issuer.jwks_path) == 2
    server.is_down = True
    make_old(verifier.revocations, HOUR)
    assert together(8, lambda: verifier.verify(raw)) == ["stale"] * 8


def in_child(function):
    """Call a function in a forked process and return what it gives, as JSON."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)  # there are threads: that is what is tested
        pid = os.fork()
    if pid == 0:
        try:
            signal.alarm(int(PATIENCE))
            os.close(reading)
            try:
                result = json.dumps(function())
            except BaseException as error:
                result = json.dumps(repr(error))
            os.write(writing, result.encode())
        finally:
            os._exit(0)
    os.close(writing)
    try:
        ready, _, _ = select.select([reading], [], [], 2 * PATIENCE)
        return json.loads(os.read(reading, 65536)) if ready else "nothing"
    finally:
        os.close(reading)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there are no forks here")
@pytest.mark.parametrize("during", ["nothing", "a fetch", "a lock"])
def test_a_forked_process_fetches_for_itself(issuer, server, during):
    verifier = issuer.verifier()
    raw, other = issuer.token(), issuer.token(sid="session-2")
    assert verifier.verify(raw)
    issuer.revoked["sids"] = ["session-1"]  # which only the child can know
    parents = {thread_of(verifier.keys).ident, thread_of(verifier.revocations).ident}
    gate = threading.Event()
    list_answer = server.answers[issuer.list_path]

    def child():
        outcomes = together(4, lambda: verifier.verify(other).sid)
        outcomes += together(4, lambda: verifier.verify(raw))
        issuer.revoked["sids"] = []  # in the child's memory only
        threads = [thread_of(verifier.keys), thread_of(verifier.revocations)]
        return [outcomes, [thread.is_alive() for thread in threads]]

    with contextlib.ExitStack() as stack:
        if during == "a fetch":
            server.answers[issuer.list_path] = Answer(body=issuer.document().encode(), gate=gate)
            start_reading(verifier.revocations)
            server.wait_for(issuer.list_path, 2)
            assert is_reading(verifier.revocations)
            server.answers[issuer.list_path] = list_answer
        elif during == "a lock":
            for polled in (verifier.keys, verifier.revocations):
                for lock in reversed(locks_of(polled)):
                    stack.enter_context(lock)
        result = in_child(child)
    gate.set()
    assert result == [["session-2"] * 4 + ["revoked"] * 4, [True, True]]
    # Nothing has changed here.
    assert {thread_of(verifier.keys).ident, thread_of(verifier.revocations).ident} == parents
    if during != "a fetch":
        assert verifier.verify(raw)


def test_the_threads_end_with_the_verifier(issuer):
    verifier = issuer.verifier(poll_interval=timedelta(seconds=0.05))
    assert verifier.verify(issuer.token())
    threads = [thread_of(verifier.keys), thread_of(verifier.revocations)]
    assert all(thread.is_alive() and thread.daemon for thread in threads)
    del verifier
    gc.collect()
    for thread in threads:
        thread.join(PATIENCE)
        assert not thread.is_alive()


CAUSES = {
    "not there": (
        Answer(status=404),
        "404. A Django issuer needs an asymmetric key, and django_jwtauth.urls",
    ),
    "for users": (Answer(status=403), "answer was 403. Everybody must be able to read it"),
    "failing": (Answer(status=502), "answer was 502. The issuer, or a proxy before it, has failed"),
    "elsewhere": (Answer(status=301), "not followed. Name the address to which it leads in TRUSTED_ISSUERS"),
    "a page": (Answer(body=b"<html>"), "valid JSON. The address leads to something else, such as a page."),
    "odd": (Answer(status=418), "answer was 418."),
}


@pytest.mark.parametrize(("answer", "words"), CAUSES.values(), ids=CAUSES)
def test_the_log_names_the_url_and_the_likely_cause(issuer, server, warned, answer, words):
    server.answers["/keys?secret=1"] = answer
    verifier = issuer.verifier(jwks_url=f"{server.url}/keys?secret=1", revocations_url=None)
    assert refused(verifier, issuer.token()) == "stale"
    text = warned()
    assert f" url={server.url}/keys " in text
    assert words in text
    assert "secret" not in text


def test_the_log_says_which_keys_are_needed(issuer, server, warned):
    server.answers[issuer.jwks_path] = as_json({"keys": []})
    verifier = issuer.verifier(algorithms=["ES256"], revocations_url=None)
    assert refused(verifier, issuer.token()) == "invalid"
    text = warned()
    assert f"reason=no_key url={server.url}{issuer.jwks_path} " in text
    assert "all its tokens are refused. It needs an asymmetric key for" in text
