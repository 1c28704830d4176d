"""No variable in any frame shows a password, a token or a key by its repr, whatever fails in whichever endpoint."""

import sys

import pytest
from django.contrib.auth import get_user_model
from django.core.signals import got_request_exception
from django.forms import BaseForm
from django.views.debug import ExceptionReporter

from django_jwtauth import conf, sessions, tokens
from django_jwtauth._core import jws
from django_jwtauth.authentication import JWTAuthentication, StatelessJWTAuthentication
from django_jwtauth.errors import InvalidKeyError
from django_jwtauth.keys import Key
from django_jwtauth.models import RefreshTokenQuerySet
from django_jwtauth.serializers import PasswordField, TokenField
from django_jwtauth.verifier import verify_any
from tests.tools import reports
from tests.tools.products import each_row


class Seen:
    """What went wrong in requests: the texts of all frames, and Django's own reports."""

    def __init__(self):
        self.frames, self.pages = {}, []
        self.with_pages = False

    def __call__(self, sender, request, **kwargs):
        for place, name, text in shown(sys.exc_info()[1]):
            self.frames.setdefault((place, name), set()).add(text)
        if self.with_pages:
            reporter = ExceptionReporter(request, *sys.exc_info())
            self.pages += [reporter.get_traceback_html(), reporter.get_traceback_text()]


def shown(error, seen=()):
    """Yield the place and the text of each variable in the frames of an error, of its cause and of its context."""
    if error is None or error in seen:
        return
    yield "error", repr(error), f"{error} {error.args!r} {vars(error)!r}"
    trace = error.__traceback__
    while trace is not None:
        code = trace.tb_frame.f_code
        for name, value in trace.tb_frame.f_locals.items():
            yield f"{code.co_filename}:{code.co_name}", name, texts(value)
        trace = trace.tb_next
    yield from shown(error.__cause__, (*seen, error))
    yield from shown(error.__context__, (*seen, error))


def texts(value):
    try:
        text = repr(value)
    except Exception as error:
        return f"{type(value)} without repr: {error!r}"
    if type(value).__module__.startswith("django_jwtauth") and not isinstance(value, BaseForm):  # it keeps the POST
        # Also what our objects hold, though no report known to us shows it.
        text += repr(getattr(value, "__dict__", ""))
        text += repr([getattr(value, name, "") for name in getattr(value, "__slots__", ()) if name != "_value"])
    return text


@pytest.fixture
def seen():
    seen = Seen()
    got_request_exception.connect(seen)
    yield seen
    got_request_exception.disconnect(seen)


@pytest.fixture
def made(monkeypatch):
    """The tokens that are made while a request fails."""
    return reports.recorded_tokens(monkeypatch)


def assert_nothing_shown(seen, *values):
    assert seen.frames
    leaking = {text for text in set().union(*seen.frames.values()) if reports.leaks(text, *values)}
    assert [place for place, found in seen.frames.items() if found & leaking] == []
    assert [page for page in seen.pages if reports.leaks(page, *values)] == []


LONGEST = (reports.by_cache, reports.by_handler, reports.by_recursion, reports.by_response)


@pytest.mark.parametrize(
    "fault",
    [
        pytest.param(fault, id=fault.__name__, marks=[pytest.mark.long] if fault in LONGEST else [])
        for fault in reports.FAULTS
    ],
)
def test_no_frame_shows_a_secret(db, settings, monkeypatch, seen, made, fault):
    world = reports.World()
    fault(settings, monkeypatch)
    for request in reports.calls(world).values():
        reports.client().generic(**request)
    assert_nothing_shown(seen, *world.secrets, *reports.KEYS, *made)


@pytest.mark.long
@pytest.mark.parametrize(
    "fault",
    [
        reports.by_weak_key,
        reports.by_handler,
        reports.by_response,
    ],
)
def test_no_report_of_django_shows_a_secret(db, settings, monkeypatch, seen, made, fault):
    world = reports.World()
    seen.with_pages = True
    fault(settings, monkeypatch)
    for request in reports.calls(world).values():
        reports.client().generic(**request)
    assert_nothing_shown(seen, *world.secrets, *reports.KEYS, *made)


@pytest.mark.long
def test_with_debug_djangos_page_shows_forms_alone(db, settings, monkeypatch, seen, made):
    world = reports.World()
    settings.DEBUG, seen.with_pages = True, True
    reports.by_weak_key(settings, monkeypatch)
    for request in reports.calls(world).values():
        if "form" not in request["content_type"]:
            reports.client().generic(**request)
    assert_nothing_shown(seen, *world.secrets, *reports.KEYS, *made)


@pytest.mark.parametrize("page", ["refreshtoken/find/", "blacklistedtoken/blacklist/"])
def test_no_frame_of_the_admin_shows_a_pasted_token(db, monkeypatch, seen, page):
    world = reports.World()
    client = reports.client()
    client.force_login(get_user_model().objects.create_superuser("root"))
    monkeypatch.setattr(RefreshTokenQuerySet, "with_sid", reports.fail)
    body = {"token": world.pair.access, "note": "", "confirmed": "1"}
    assert client.post(f"/admin/django_jwtauth/{page}", body).status_code == 500
    assert_nothing_shown(seen, *world.secrets)


def test_the_fields_of_serializers_hide_their_values():
    assert repr(PasswordField().run_validation("open")) == "'********'"
    assert TokenField().run_validation("open").reveal() == "open"
    assert TokenField(allow_null=True).run_validation(None) is None


# Code of a project that calls us with text


@pytest.mark.parametrize(
    "call",
    [
        sessions.refresh,
        sessions.verify_refresh,
        sessions.find_by_refresh_token,
        sessions.find_by_any_token,
        sessions.blacklist,
        tokens.read_access,
        tokens.read_refresh,
        lambda raw: JWTAuthentication().authenticate_token(raw),
        lambda raw: StatelessJWTAuthentication().authenticate_token(raw),
        lambda raw: verify_any(raw, conf.get_config().verifiers),
        lambda raw: conf.get_config().verifier.verify(raw),
    ],
)
def test_a_function_that_gets_a_token_as_text_hides_it_first(db, monkeypatch, call):
    world = reports.World()
    monkeypatch.setattr(jws, "verify", reports.fail)
    for raw in (world.pair.access, world.pair.refresh):
        with pytest.raises(ZeroDivisionError) as caught:
            call(str(raw))
        ours = [
            (place, name)
            for place, name, text in shown(caught.value)
            if "django_jwtauth" in place
            if reports.leaks(text, raw)
        ]
        assert ours == []


@each_row(
    "make",
    [
        lambda: Key.load({"alg": "HS256", "secret": reports.KEYS[0][:31]}),
        lambda: Key.load({"alg": "ES256", "pem": reports.KEYS[0]}),
        lambda: Key.load({"alg": "ES256", "file": reports.KEYS[0] * 20}),
        lambda: Key.load({"alg": "HS256", "secret": reports.KEYS[0] + "\ud800"}),
        lambda: Key.load({"kty": "OKP", "crv": "Ed25519", "x": "x", "d": reports.KEYS[0]}),
        lambda: Key.load({"kty": "oct", "alg": "HS512", "k": reports.KEYS[0]}),
        lambda: Key.from_secret(f"-----BEGIN PUBLIC KEY-----\n{reports.KEYS[0]}\n-----END PUBLIC KEY-----\n"),
    ],
)
def test_a_key_that_is_refused_is_in_no_frame_of_ours(make):
    with pytest.raises(InvalidKeyError) as caught:
        make()
    found = [(place, name) for place, name, text in shown(caught.value) if reports.leaks(text, *reports.KEYS)]
    assert found == []
