"""What packages that watch requests store, show or log of them."""

import io
import json
import logging
import logging.config

import pytest
from debug_toolbar import settings as toolbar_settings
from debug_toolbar.middleware import show_toolbar_func_or_path
from debug_toolbar.store import get_store
from debug_toolbar.toolbar import DebugToolbar
from django.conf import settings as django_settings
from django.urls import include, path
from opentelemetry.instrumentation.django import DjangoInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from prometheus_client import generate_latest
from silk.config import SilkyConfig
from silk.models import Request, Response, SQLQuery

from django_jwtauth.models import RefreshToken
from tests.tools.http import REFRESH, RIGHT, TOKEN, bearer
from tests.tools.routes import WithRoutes

from .page import set_up

pytestmark = pytest.mark.django_db
BROWSER = ("/auth/browser/csrf/", "/auth/browser/login/", "/auth/browser/refresh/", "/auth/browser/logout/")


@pytest.fixture
def watched(settings):
    """Put a middleware before all others, and return a function that does so."""

    def watched(before, *after):
        settings.MIDDLEWARE = [before, *settings.MIDDLEWARE, *after]

    return watched


def visit(client, user):
    """Make a request of each kind, and return all that must be kept secret of them, by name."""
    pair = client.post(TOKEN, RIGHT, format="json").json()
    next_pair = client.post(REFRESH, {"refresh": pair["refresh"]}, format="json").json()
    assert client.post(REFRESH, {"refresh": next_pair["refresh"]}).status_code == 200
    assert client.post(TOKEN, RIGHT).status_code == 200
    assert client.get("/whoami/", **bearer(pair["access"])).status_code == 200
    assert client.post("/auth/token/verify/", {"token": pair["access"]}).status_code == 200
    assert client.post("/auth/browser/login/", RIGHT).status_code == 200
    cookies = {name: cookie.value for name, cookie in client.cookies.items() if "jwtauth" in name}
    assert len(cookies) == 2
    assert client.get("/auth/sessions/").status_code == 200  # by the cookie
    session = RefreshToken.objects.latest("created_at")
    values = {"secret": bytes(session.secret), "auth_hash": bytes(session.auth_hash)}
    return {
        "password": RIGHT["password"],
        **pair,
        **{f"next {name}": value for name, value in next_pair.items()},
        **cookies,
        **{name: value.hex() for name, value in values.items()},
        **{f"{name} as text": repr(value)[2:-1] for name, value in values.items()},
    }


def shown_in(text, secrets):
    return [name for name, value in secrets.items() if isinstance(value, str) and len(value) > 10 and value in text]


# django-silk


def stored_by_silk():
    return json.dumps([list(model.objects.values()) for model in (Request, Response, SQLQuery)], default=str)


def test_silk_stores_no_token_with_the_lines(client, user, settings, watched):
    watched("silk.middleware.SilkyMiddleware")
    set_up(settings, "django-silk")
    SilkyConfig()._setup()
    try:
        secrets = visit(client, user)
    finally:
        settings.SILKY_INTERCEPT_FUNC = None
        SilkyConfig()._setup()
    assert [*Request.objects.values_list("path", flat=True)] == ["/whoami/"]
    assert shown_in(stored_by_silk(), secrets) == []


def test_silk_stores_them_without(client, user, watched):
    watched("silk.middleware.SilkyMiddleware")
    secrets = visit(client, user)
    found = shown_in(stored_by_silk(), secrets)
    assert {"access", "refresh"} <= set(found)
    assert not {"password", "secret", "secret as text", "auth_hash", "auth_hash as text"} & set(found)
    assert not [name for name in found if "jwtauth" in name]  # cookies


# django-debug-toolbar


@pytest.fixture
def shown_by_toolbar(settings, monkeypatch):
    def forget():
        for function in (toolbar_settings.get_config, toolbar_settings.get_panels, show_toolbar_func_or_path):
            function.cache_clear()
        DebugToolbar._panel_classes = None
        get_store().clear()

    def shown():
        store = get_store()
        return json.dumps([list(store.panels(request)) for request in store.request_ids()], default=str)

    settings.DEBUG_TOOLBAR_CONFIG = {"SHOW_TOOLBAR_CALLBACK": lambda request: True}
    settings.DEBUG = True
    forget()
    yield shown, forget
    del django_settings.DEBUG_TOOLBAR_CONFIG
    forget()


def test_debug_toolbar_shows_no_token_with_the_lines(client, user, settings, watched, shown_by_toolbar):
    shown, forget = shown_by_toolbar
    watched("debug_toolbar.middleware.DebugToolbarMiddleware")
    set_up(settings, "django-debug-toolbar")
    forget()
    with WithRoutes(path("__debug__/", include("debug_toolbar.urls"))):
        secrets = visit(client, user)
    assert "/whoami/" in shown()
    assert shown_in(shown(), secrets) == []


def test_debug_toolbar_shows_them_without(client, user, watched, shown_by_toolbar):
    shown, _ = shown_by_toolbar
    watched("debug_toolbar.middleware.DebugToolbarMiddleware")
    with WithRoutes(path("__debug__/", include("debug_toolbar.urls"))):
        secrets = visit(client, user)
    found = shown_in(shown(), secrets)
    assert {"access", "refresh", "password"} <= set(found)
    assert not {"secret", "secret as text", "auth_hash", "auth_hash as text"} & set(found)


# django-prometheus, OpenTelemetry


def test_prometheus_counts_our_views_by_name(client, user, watched):
    watched(
        "django_prometheus.middleware.PrometheusBeforeMiddleware",
        "django_prometheus.middleware.PrometheusAfterMiddleware",
    )
    secrets = visit(client, user)
    exposed = generate_latest().decode()
    assert 'view="jwtauth:token-refresh"' in exposed
    assert shown_in(exposed, secrets) == []


def test_opentelemetry_traces_our_views_without_tokens(client, user, settings):
    exporter, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    middleware = settings.MIDDLEWARE
    DjangoInstrumentor().instrument(tracer_provider=provider)
    try:
        secrets = visit(client, user)
    finally:
        DjangoInstrumentor().uninstrument()
        settings.MIDDLEWARE = middleware
    spans = [span.to_json() for span in exporter.get_finished_spans()]
    assert [span for span in spans if "auth/token/refresh/" in span]
    assert shown_in("".join(spans), secrets) == []


# structlog, python-json-logger


@pytest.mark.parametrize("package", ["structlog", "python-json-logger"])
def test_json_logs_have_our_fields(package, client, user, settings, monkeypatch):
    security = logging.getLogger("django_jwtauth.security")
    before = security.handlers, security.level
    set_up(settings, package)
    logging.config.dictConfig(settings.LOGGING)
    (handler,) = security.handlers
    out = handler.stream = io.StringIO()
    try:
        secrets = visit(client, user)
    finally:
        security.handlers, security.level = before
    first, *_ = [json.loads(line) for line in out.getvalue().splitlines()]
    session = RefreshToken.objects.earliest("created_at")
    fields = {"event": "session_started", "session": str(session.pk), "user": str(user.pk), "address": "127.0.0.1"}
    assert first.items() >= {f"jwtauth_{name}": value for name, value in fields.items()}.items()
    assert (first.get("level") or first["levelname"]).lower() == "info"
    assert "has started" in (first.get("event") or first["message"])
    assert shown_in(out.getvalue(), secrets) == []
