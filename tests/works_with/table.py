"""Which packages the library works with: the tests prove it, and the page "Works with" shows it."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is known of a package."""

    version: str
    """The one that is tested."""
    tests: str
    """The tests: a folder or a file, and what the names of the tests begin with."""
    extras: str = ""
    """What is installed of it beside itself."""
    works: str
    lines: str = ""
    """The heading below which the lines are printed that it needs, or where else they stand. Empty if it needs none."""
    fails: str = ""
    """What does not work."""
    environment: str = "apps"
    """The tox environment in which the tests run."""


HERE = "tests/works_with"
EXPORTS, PANELS, PERMISSIONS = (f"{HERE}/test_{name}.py" for name in ("exports", "panels", "permissions"))
SIGN_IN, TOKENS, VIEWS = (f"{HERE}/test_{name}.py" for name in ("sign_in", "other_tokens", "other_views"))
NEIGHBOURS = f"{HERE}/test_neighbours.py"
PROJECTS, PHONES = f"{HERE}/test_projects.py", f"{HERE}/phone_users/test_phone_users.py"
BESIDE = {"django": "6.1", "djangorestframework": "3.18"}
"""What all of them are tried with."""
GRAPHQL = "strawberry-graphql-django and graphene-django"

ROWS = {
    # Exports, copies, descriptions
    "django-import-export": Row(
        version="4.4",
        tests=f"{EXPORTS}::test_import_export",
        works="exports of our tables, also from our admin; secrets are asterisks",
        lines="django-import-export",
        fails="imports",
    ),
    "django-simple-history": Row(
        version="3.13",
        tests=f"{EXPORTS}::test_simple_history",
        works="history of users; of sessions, their beginning",
        lines="django-simple-history",
        fails="refreshes and revocations are not in the history",
    ),
    "django-auditlog": Row(
        version="3.4",
        tests=f"{EXPORTS}::test_auditlog",
        works="the beginning of sessions; secrets are asterisks",
        fails="refreshes and revocations are not in the log",
    ),
    "django-reversion": Row(
        version="6.4",
        tests=f"{EXPORTS}::test_reversion",
        works="versions of users and sessions, without secrets; an old password that is brought back ends sessions",
    ),
    "drf-spectacular": Row(
        version="0.30",
        tests=f"{EXPORTS}::test_spectacular",
        works="a schema of each endpoint with its bodies and answers, and of each authentication class",
        lines="openapi.md",
    ),
    "drf-yasg": Row(
        version="1.21",
        tests=f"{EXPORTS}::test_yasg",
        works="a schema that names each endpoint",
        fails="it does not describe our responses",
    ),
    # What watches requests
    "django-silk": Row(
        version="5.6",
        tests=f"{PANELS}::test_silk",
        works="profiles, without tokens",
        lines="django-silk",
    ),
    "django-debug-toolbar": Row(
        version="8.0",
        tests=f"{PANELS}::test_debug_toolbar",
        works="panels, without tokens",
        lines="django-debug-toolbar",
    ),
    "django-prometheus": Row(
        version="2.4",
        tests=f"{PANELS}::test_prometheus",
        works="our views by their names, without tokens",
    ),
    "opentelemetry-instrumentation-django": Row(
        version="0.66b2",
        tests=f"{PANELS}::test_opentelemetry",
        works="spans of our views, without tokens",
    ),
    "structlog": Row(
        version="26.1",
        tests=f"{PANELS}::test_json_logs",
        works="the fields of our log records",
        lines="structlog",
    ),
    "python-json-logger": Row(
        version="4.2",
        tests=f"{PANELS}::test_json_logs",
        works="the fields of our log records",
        lines="python-json-logger",
    ),
    # Permissions, filters, caches
    "django-guardian": Row(
        version="3.5",
        tests=f"{PERMISSIONS}::test_guardian",
        works="permissions for objects under `JWTAuthentication`",
        fails="the stateless user has none, and `get_objects_for_user()` raises `TypeError` for it",
    ),
    "rules": Row(
        version="3.5",
        tests=f"{PERMISSIONS}::test_rules",
        works="predicates and `rules.has_perm(name, request.user)`, for the stateless user too",
        fails="`user.has_perm()` of the stateless user does not ask rules",
    ),
    "django-filter": Row(
        version="26.2",
        tests=f"{PERMISSIONS}::test_filter",
        works="filters for our models",
        lines="django-filter",
        fails='`fields = "__all__"`',
    ),
    "drf-extensions": Row(
        version="0.7",
        tests=f"{PERMISSIONS}::test_extensions",
        works="responses cached per user",
        lines="drf-extensions",
    ),
    "djangorestframework-api-key": Row(
        version="3.1",
        tests=f"{PERMISSIONS}::test_api_key",
        works="views that take a key or a token",
    ),
    # Beside the sign-in
    "django-axes": Row(
        version="8.3",
        tests=f"{SIGN_IN}::test_axes",
        works="locks after wrong passwords at our endpoints",
        lines="django-axes",
    ),
    "django-ratelimit": Row(
        version="4.1",
        tests=f"{SIGN_IN}::test_ratelimit",
        works="limits on our views",
        lines="django-ratelimit",
    ),
    "django-cors-headers": Row(
        version="4.9",
        tests=f"{SIGN_IN}::test_cors_headers",
        works="sign-in from pages of other origins; see [Browsers](browsers.md)",
    ),
    "django-hijack": Row(
        version="3.7",
        tests=f"{SIGN_IN}::test_hijack",
        works="in Django's own sessions; tokens stay those of their users",
        fails="no tokens for the hijacked user; see [Acting as somebody else](signing-in.md#acting-as-somebody-else)",
    ),
    "django-impersonate": Row(
        version="1.9",
        tests=f"{SIGN_IN}::test_impersonate",
        works="in Django's own sessions; tokens stay those of their users",
        fails="no tokens for the other user; see [Acting as somebody else](signing-in.md#acting-as-somebody-else)",
    ),
    "django-allauth": Row(
        version="65.22",
        extras="headless,mfa,socialaccount",
        tests="tests/allauth::test_",
        works="social login, one-time codes, second factors, address verification",
        lines="signing-in.md#by-social-login",
    ),
    "django-otp": Row(
        version="1.7",
        tests="tests/otp::test_",
        works="users with a device are refused without their code",
        lines="signing-in.md#with-a-second-factor",
    ),
    "django-two-factor-auth": Row(
        version="1.18",
        tests="tests/otp::test_",
        works="its devices are those of django-otp",
        lines="signing-in.md#with-a-second-factor",
    ),
    # Other tokens and passwords
    "djangorestframework-simplejwt": Row(
        version="5.5",
        tests=f"{TOKENS}::test_simplejwt",
        works="its tokens beside ours",
        lines="djangorestframework-simplejwt",
        fails="ours after its class",
    ),
    "django-oauth-toolkit": Row(
        version="3.4",
        tests=f"{TOKENS}::test_oauth_toolkit",
        works="its tokens beside ours",
        lines="django-oauth-toolkit",
    ),
    "django-rest-knox": Row(
        version="5.1",
        tests=f"{NEIGHBOURS}::test_knox",
        works="its tokens are exchanged for ours",
        lines="neighbours.md#django-rest-knox",
    ),
    "dj-rest-auth": Row(
        version="7.2",
        tests=f"{TOKENS}::test_rest_auth",
        works="its views for users and passwords, under our tokens; [registration](neighbours.md#dj-rest-auth)",
        lines="dj-rest-auth",
        fails="its `login/` and `logout/` know nothing of our sessions: [route ours](neighbours.md#dj-rest-auth)",
    ),
    "djoser": Row(
        version="2.3",
        tests=f"{TOKENS}::test_djoser",
        works="its views for users and passwords, under our tokens; [its JWT paths](neighbours.md#djoser)",
        lines="djoser",
    ),
    # Other views
    "adrf": Row(
        version="0.1", tests=f"{VIEWS}::test_adrf", works="async views, with both classes; see [Async](async.md#adrf)"
    ),
    "django-ninja": Row(
        version="1.7",
        tests=f"{VIEWS}::test_ninja",
        works="our classes and refusals, also in [coroutines](async.md#django-ninja)",
        lines="django-ninja",
    ),
    "strawberry-graphql-django": Row(
        version="0.91",
        tests=f"{VIEWS}::test_graphql",
        works="our classes and refusals, also in [async views](async.md#strawberry)",
        lines=GRAPHQL,
    ),
    "graphene-django": Row(
        version="3.2",
        tests=f"{VIEWS}::test_graphql",
        works="our classes and refusals",
        lines=GRAPHQL,
    ),
    "channels": Row(
        version="4.3",
        tests=f"{VIEWS}::test_channels",
        works="a token in a header, as a subprotocol or in the first message; a revocation "
        "[closes the socket](async.md#channels)",
        lines="channels",
    ),
    # Users
    "django-polymorphic": Row(
        version="4.11",
        tests=f"{PHONES}::test_polymorphic",
        works="users of several classes, also in claims",
    ),
    "django-phonenumber-field": Row(
        version="8.5",
        extras="phonenumberslite",
        tests=f"{PHONES}::test_phonenumber_field",
        works="a phone number as user name",
    ),
    "django-safedelete": Row(
        version="1.5",
        tests=f"{HERE}/soft_users/test_soft_users.py::test_safedelete",
        works="a hidden user is refused at once, and goes on when brought back",
    ),
    # Projects
    "django-unfold": Row(
        version="0.110",
        tests="tests/unfold::test_",
        works="each page and action of our admin",
        lines="admin.md#django-unfold",
    ),
    "django-jazzmin": Row(version="3.0", tests=f"{PROJECTS}::test_jazzmin", works="the pages and actions of our admin"),
    "django-environ": Row(
        version="0.14",
        tests=f"{PROJECTS}::test_environ",
        works="keys from the environment",
        lines="django-environ",
    ),
    "django-redis": Row(
        version="7.0",
        tests=f"{PROJECTS}::test_redis",
        works="counts of the throttles",
        lines="django-redis",
    ),
    # Around a project
    "django-tenants": Row(
        version="4.0",
        tests="tests/tenants/test_django_tenants.py::test_",
        works="a schema for each tenant, with keys, lists and throttles of its own",
        lines="tenants.md#a-schema-for-each-tenant",
        environment="tenants",
    ),
    "sentry-sdk": Row(
        version="2.75",
        tests="tests/sentry/test_sentry.py::test_",
        works="events without tokens, passwords or keys, by its defaults",
        fails="with `send_default_pii=True` it sends our cookies; see "
        "[Error reports](security.md#error-reports-and-trackers)",
    ),
}


def link_to(lines):
    """Return the link to the lines that a package needs."""
    if not lines:
        return "none"
    return f"[these]({lines})" if ".md" in lines else f"[these](#{lines.replace(' ', '-')})"


def markdown():
    """Return the table of the documentation."""
    rows = [["package", "version", "works", "needs lines", "does not work"], ["---"] * 5]
    for package, row in ROWS.items():
        rows.append([f"`{package}`", row.version, row.works, link_to(row.lines), row.fails])
    return "".join(f"| {' | '.join(row)} |\n".replace("|  |", "| |") for row in rows)
