"""The settings are data: what the tables of them say is what holds."""

import datetime
import re

import pytest
from django.test import override_settings

from django_jwtauth import conf
from tests.tools.conf import problems_of
from tests.tools.products import each_row

# Where each dict of settings is, and its keys.
TABLES = {
    (): conf.SETTINGS,
    ("COOKIES",): conf.COOKIES.settings,
    ("THROTTLE_RATES",): conf.THROTTLE_RATES.settings,
    ("TRUSTED_ISSUERS", "https://a.example"): conf.TRUSTED_ISSUER.settings,
}
SETTINGS = [
    pytest.param(parents, setting, id="-".join([*parents[:1], setting.key]))
    for parents, settings in TABLES.items()
    for setting in settings
]
# What a default depends on is described in words.
IN_WORDS = {
    *("AUDIENCE", "REVOCATION_MAX_STALENESS", "SIGNING_KEYS"),
    *("TRUSTED_ISSUERS-jwks_url", "TRUSTED_ISSUERS-revocations_url"),
    *("TRUSTED_ISSUERS-algorithms", "TRUSTED_ISSUERS-audience", "COOKIES-refresh_path"),
}
each_setting = pytest.mark.parametrize(("parents", "setting"), SETTINGS)


def inside(parents, given):
    """Put a dict of settings where it belongs."""
    for key in reversed(parents):
        given = {key: given}
    return given


def read(given):
    """Return the values of the settings. What is made of them, keys and verifiers, cannot be compared."""
    with override_settings(JWTAUTH=given):
        config = conf.get_config()
    return {setting.name: getattr(config, setting.name) for setting in conf.SETTINGS}


def test_no_table_was_forgotten_above():
    nested = [setting.kind.nested for setting in conf.SETTINGS if setting.kind.nested]
    assert sorted(map(str, nested)) == sorted(map(str, list(TABLES.values())[1:]))


@each_row(("parents", "setting"), [case for case in SETTINGS if case.id not in IN_WORDS])
def test_a_default_can_be_given_as_it_is_documented_and_changes_nothing(parents, setting):
    default = eval(re.fullmatch("`(.*)`", setting.default_words)[1], {"timedelta": datetime.timedelta})
    assert read(inside(parents, {setting.key: default})) == read(inside(parents, {}))


@each_row(("parents", "setting"), [case for case in SETTINGS if case.id in IN_WORDS])
def test_a_default_that_depends_on_other_things_is_described(parents, setting):
    assert re.fullmatch("[a-z].*|`AUDIENCE`", setting.default_words)


@each_setting
def test_a_value_of_a_wrong_type_is_named_with_the_keys_that_lead_to_it(parents, setting):
    name = "".join(f"[{key!r}]" for key in (*parents, setting.key))
    problems = problems_of(inside(parents, {setting.key: object()}))
    assert problems == [f"JWTAUTH{name} must be {setting.kind.rule}, not object."]


@pytest.mark.parametrize("parents", TABLES, ids="-".join)
def test_an_unknown_key_is_named_with_the_keys_there_are(parents):
    (problem,) = problems_of(inside(parents, {"nonsense": 1}))
    name = "".join(f"[{key!r}]" for key in parents)
    assert problem.startswith(f"JWTAUTH{name} has no ")
    assert all(setting.key in problem.partition("'nonsense'")[2] for setting in TABLES[parents])
