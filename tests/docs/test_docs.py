"""The papers say what the code says."""

import ast
import importlib
import itertools
import json
import re
from pathlib import Path

import pytest
from django.test import RequestFactory
from django.utils.module_loading import import_string
from rest_framework.views import APIView

from django_jwtauth import (
    checks,
    conf,
    errors,
    local_list,
    models,
    published_list,
    refusals,
    route_checks,
    service_checks,
    signals,
    tenant_checks,
    urls,
    urls_well_known,
    well_known,
)
from django_jwtauth._core import custom_claims, jws, polling, remote, revocation_list
from django_jwtauth._core.revocation_list import Part, RevocationList, SignedList
from django_jwtauth.admin import actions, filters, forms, pages, site, users
from django_jwtauth.keys import Key, KeySet
from django_jwtauth.request_info import client_address
from tests.interop import table
from tests.tools.docs import DOCS, FENCE, ROOT, first_words, page, rows, section
from tests.tools.products import each_row

PAPERS = sorted([*ROOT.glob("*.md"), *DOCS.glob("*.md")])
BLOCKS = [
    pytest.param(block, id=f"{path.relative_to(ROOT)}-{number}")
    for path in PAPERS
    for number, block in enumerate(FENCE.findall(path.read_text("utf-8")), 1)
]
CHECKS = (checks, route_checks, service_checks, tenant_checks)
METHODS = [f"`{method.upper()}`" for method in APIView.http_method_names]
SIMPLE_JWT_SETTINGS = [  # rest_framework_simplejwt.settings.DEFAULTS, version 5.5
    "ACCESS_TOKEN_LIFETIME",
    "REFRESH_TOKEN_LIFETIME",
    "ROTATE_REFRESH_TOKENS",
    "BLACKLIST_AFTER_ROTATION",
    "UPDATE_LAST_LOGIN",
    "ALGORITHM",
    "SIGNING_KEY",
    "VERIFYING_KEY",
    "AUDIENCE",
    "ISSUER",
    "JSON_ENCODER",
    "JWK_URL",
    "LEEWAY",
    "AUTH_HEADER_TYPES",
    "AUTH_HEADER_NAME",
    "USER_ID_FIELD",
    "USER_ID_CLAIM",
    "USER_AUTHENTICATION_RULE",
    "AUTH_TOKEN_CLASSES",
    "TOKEN_TYPE_CLAIM",
    "JTI_CLAIM",
    "TOKEN_USER_CLASS",
    "SLIDING_TOKEN_REFRESH_EXP_CLAIM",
    "SLIDING_TOKEN_LIFETIME",
    "SLIDING_TOKEN_REFRESH_LIFETIME",
    "TOKEN_OBTAIN_SERIALIZER",
    "TOKEN_REFRESH_SERIALIZER",
    "TOKEN_VERIFY_SERIALIZER",
    "TOKEN_BLACKLIST_SERIALIZER",
    "SLIDING_TOKEN_OBTAIN_SERIALIZER",
    "SLIDING_TOKEN_REFRESH_SERIALIZER",
    "CHECK_REVOKE_TOKEN",
    "REVOKE_TOKEN_CLAIM",
    "CHECK_USER_IS_ACTIVE",
]


def test_the_settings_page_describes_each_setting_once_and_no_other():
    known = sorted(setting.key for setting in conf.SETTINGS)
    assert sorted(re.findall(r"^### `(\w+)`$", page("docs/settings.md"), re.MULTILINE)) == known


@each_row("setting", conf.SETTINGS, ids=lambda setting: setting.key)
def test_the_settings_page_gives_type_and_default_of_each_setting_as_the_code_does(setting):
    about = section(page("docs/settings.md"), f"### `{setting.key}`")
    assert re.findall(r"^- \*\*Type:\*\* (.*)$", about, re.MULTILINE) == [setting.kind.words]
    assert re.findall(r"^- \*\*Default:\*\* (.*)$", about, re.MULTILINE) == [setting.default_words]
    if "the keys below" in setting.kind.words:
        table = [cells[:3] for cells in rows(about)[1:]]
        assert sorted(table) == sorted(
            [f"`{nested.key}`", nested.kind.words, nested.default_words] for nested in setting.kind.nested
        )


def test_the_checks_page_describes_each_check_once_and_no_other():
    source = "".join(Path(module.__file__).read_text("utf-8") for module in CHECKS)
    known = sorted(set(re.findall(r'id="(jwtauth\.[EW][0-9]{3})"', source)))
    assert sorted(re.findall(r"^### `(jwtauth\.[EW][0-9]{3})`$", page("docs/checks.md"), re.MULTILINE)) == known


@pytest.mark.parametrize("name", ["README.md", "docs/endpoints.md"])
def test_the_endpoint_tables_name_each_endpoint_and_no_other(name):
    table = [[cell.strip("`") for cell in cells[:3]] for cells in rows(page(name)) if cells[0] in METHODS]
    known = [
        [method.upper(), re.sub("<[^>]*>", "<id>", str(pattern.pattern)), pattern.name]
        for pattern in urls.urlpatterns
        for method in APIView.http_method_names
        if method != "options" and hasattr(pattern.callback.cls, method)
    ]
    assert sorted(table) == sorted(known)


def test_the_endpoints_page_explains_each_reason_and_no_other():
    assert sorted(first_words(section(page("docs/endpoints.md"), "### Reasons"))) == sorted(refusals.MESSAGES)


def test_the_endpoints_page_explains_the_codes_of_all_errors():
    known = {errors.InvalidTokenError(reason).code for reason in refusals.MESSAGES}
    known |= {errors.RefreshConflictError().code, *refusals.MESSAGES_BY_CODE}
    assert known <= set(first_words(section(page("docs/endpoints.md"), "### Codes")))


def test_the_admin_page_puts_each_reason_of_an_ended_session_as_the_admin_does():
    table = {cells[0].strip("`"): cells[1] for cells in rows(section(page("docs/admin.md"), "### Reasons"))[1:]}
    assert table == {value: str(label) for value, label in models.RevokedReason.choices}


def test_the_admin_page_names_each_permission_and_no_other():
    known = {
        f"`django_jwtauth.{name}`"
        for meta in (model._meta for model in (models.RefreshToken, models.BlacklistedToken, models.NotBefore))
        for name in [f"{act}_{meta.model_name}" for act in meta.default_permissions] + [p[0] for p in meta.permissions]
    }
    table = section(page("docs/admin.md"), "## Actions").partition("| permission |")[2].partition("\n\n")[0]
    named = [cells[0] for cells in rows(table) if cells[0].startswith("`")]
    assert sorted(named) == sorted(known)


def test_the_admin_page_gives_the_true_numbers():
    text = " ".join(page("docs/admin.md").split())
    for words in (
        f"At most {filters.MAX_COUNTED:,} rows are counted, and the list has pages for that many.",
        f"With more than {filters.MAX_COUNTED:,} sessions selected they refuse",
        f"A search looks at {site.MAX_FOUND_USERS} users whose name or address contains the text. If there are more",
        f"marked from {filters.MANY_REPLAYS} on",
        f"sessions with {filters.MANY_REPLAYS} replays or more: the newest {pages.MAX_EVENTS} of each",
        f"are the newest {site.MAX_OTHER_SESSIONS}, each with its status",
        f"the newest {users.MAX_SHOWN} active sessions",
        f"the first {site.RefreshTokenAdmin.list_per_page} sessions",
        f"free text of at most {models.MAX_NOTE_LENGTH} characters",
        f"within that + {actions.PUBLISHED_SECONDS} seconds",
        f"type `{forms.EveryoneForm.WORD}` on its page",
    ):
        assert words in text, words


def test_the_claims_page_lists_the_reserved_names():
    listed = section(page("docs/claims.md"), "## Reserved names").partition(":\n")[2].partition("\n\n`scope`")[0]
    assert sorted(re.findall(r"`(\w+)`", listed)) == sorted(custom_claims.RESERVED)


def test_the_api_page_lists_the_signals():
    known = sorted(name for name, value in vars(signals).items() if isinstance(value, signals.Signal))
    assert sorted(first_words(section(page("docs/api.md"), "## Signals"))) == known


def test_the_throttling_page_gives_the_true_addresses():
    table = section(page("docs/throttling.md"), "## Proxies")
    shown = [(re.findall("`([^`]+)`", cells[0]), cells[1]) for cells in rows(table)[1:]]
    assert len(shown) == 6
    for written, address in shown:
        for form in written:
            name = "HTTP_FORWARDED" if "=" in form else "HTTP_X_FORWARDED_FOR"
            found = client_address(RequestFactory().get("/", **{name: form}), num_proxies=1)
            assert str(found or "unknown") == address


def test_the_throttling_page_gives_the_true_rates(settings):
    first_table = page("docs/throttling.md").partition("## ")[0]
    table = {cells[0].strip("`"): cells[1].strip("`") for cells in rows(first_table)[1:]}
    plain = conf.get_config().throttle_rates
    assert set(table) == set(plain)
    settings.JWTAUTH = {"THROTTLE_RATES": table}
    assert conf.get_config().throttle_rates == plain


def test_the_page_on_revocation_in_services_gives_the_true_times_and_sizes():
    text = " ".join(page("docs/services-revocation.md").split())
    for words in (
        f"| fetched | every {remote.KEYS_SECONDS / 60:.0f} minutes |",
        f"at most once in {remote.UNKNOWN_KID_SECONDS:.0f} seconds",
        f"for an unknown `kid`: at most {remote.UNKNOWN_KID_PATIENCE_SECONDS:.0f} second",
        f"the old ones stay in use, for {remote.KEYS_MAX_AGE_SECONDS / 3600:.0f} hours",
        f"each time for the next {remote.CHANGES_PAUSE_SECONDS:.0f} seconds",
        f"{remote.MAX_DOCUMENT_BYTES >> 20} MiB, {remote.MAX_KEYS} keys",
        f"{revocation_list.MAX_BYTES >> 20} MiB, which is about 600,000 ids",
        f"after {polling.FIRST_BACKOFF_SECONDS} seconds, then after ever longer pauses, at most "
        f"{polling.MAX_BACKOFF_SECONDS:.0f} seconds",
        f"signed again every {published_list.SIGNING_PERIOD} seconds and may be served for "
        f"{published_list.REPLAY_SECONDS}",
        f"publishes at most {revocation_list.MAX_ENTRIES:,} ids",
    ):
        assert words in text, words


def test_the_page_on_revocation_in_services_explains_each_claim_of_the_list_and_no_other():
    key = Key.generate("ES256")
    document = SignedList(revoked=RevocationList(), issued_at=1, expires_at=2, ttl=1, max_lifetime=1)
    signed = jws.verify_signature(
        document.sign(issuer="i", key=key), profile=jws.REVOCATIONS, keys=KeySet([key]), max_length=4096
    )
    assert first_words(section(page("docs/services-revocation.md"), "## The document")) == list(signed.claims)


def test_the_services_page_names_the_parts_of_its_example_rightly():
    text = section(page("docs/services-revocation.md"), "## The changes of the list")
    (block,) = re.findall(r"```json\n(.*?)```", text, re.DOTALL)
    example = json.loads(block)
    sids, jtis = iter(example["sids"]), iter(example["jtis"])
    for name, more_sids, more_jtis in example["parts"]:
        part = Part.of(itertools.islice(sids, more_sids), itertools.islice(jtis, more_jtis))
        assert part.name == name
    assert [*sids, *jtis] == []
    assert f"A part stands for {local_list.MIN_PART_LENGTH.seconds} seconds" in " ".join(text.split())
    assert f"about {local_list.MAX_PARTS} of them" in " ".join(text.split())
    assert f"sent for {published_list.CHANGES_SECONDS} seconds" in " ".join(text.split())
    assert published_list.CHANGES_INTERVALS == 6


def test_the_endpoints_page_lists_the_documents_for_other_services():
    documents = rows(section(page("docs/endpoints.md"), "## Documents for other services"))[1:]
    ages = [well_known.JWKS_MAX_AGE, well_known.METADATA_MAX_AGE, *[well_known.REVOCATIONS_MAX_AGE] * 2]
    names = list(dict.fromkeys(pattern.name for pattern in urls_well_known.urlpatterns))
    assert [cells[1].strip("`") for cells in documents] == names
    assert [int(cells[4].strip(" |")) for cells in documents] == ages


def test_the_page_on_other_languages_shows_the_verifiers_that_are_tested():
    assert table.markdown() in page("docs/services-languages.md")


def test_the_migrating_page_maps_each_setting_of_simple_jwt_once():
    assert first_words(section(page("docs/migrating.md"), "## Settings")) == SIMPLE_JWT_SETTINGS


def test_the_readme_can_be_read_at_one_sitting():
    assert 80 <= len(page("README.md").splitlines()) <= 170


def test_the_readme_s_settings_work(settings):
    given = {"INSTALLED_APPS": ["django.contrib.admin"]}
    exec(FENCE.findall(page("README.md"))[0], given)
    settings.JWTAUTH = given["JWTAUTH"]
    assert conf.get_config().max_sessions_per_user == 10
    assert given["INSTALLED_APPS"] == ["django.contrib.admin", "rest_framework", "django_jwtauth"]
    assert all(map(import_string, given["REST_FRAMEWORK"]["DEFAULT_AUTHENTICATION_CLASSES"]))


def test_the_readme_s_commands_stand_on_one_line_each():
    commands = [line for line in page("README.md").splitlines() if line.startswith("python3 -m venv")]
    assert [command.rpartition(" && ")[2] for command in commands] == [
        ".venv/bin/python manage.py demo",
        ".venv/bin/python -m pytest -q",
    ]
    assert (ROOT / ".ci" / "test").read_text().splitlines()[-1] == commands[-1]  # what is run for each change


@each_row("block", BLOCKS)
def test_python_in_the_papers_compiles_and_names_what_there_is(block):
    tree = ast.parse(block)
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module.partition(".")[0] == "django_jwtauth":
            module = importlib.import_module(node.module)
            assert all(hasattr(module, alias.name) for alias in node.names), ast.unparse(node)
        elif isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "JWTAUTH":
            assert {ast.literal_eval(key) for key in node.value.keys} <= {setting.key for setting in conf.SETTINGS}


@each_row("path", PAPERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_relative_links_lead_somewhere(path):
    for target, anchor in re.findall(r"\]\((?![a-z]+:)([^)#\s]*)#?([^)\s]*)\)", path.read_text("utf-8")):
        found = path.parent / target if target else path
        assert found.exists(), target
        if anchor:
            headings = re.findall(r"^#+ (.*)$", found.read_text("utf-8"), re.MULTILINE)
            assert anchor in [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
