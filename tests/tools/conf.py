"""The settings that a test gives."""

import datetime

import pytest
from django.test import override_settings

from django_jwtauth import conf

HOUR = datetime.timedelta(hours=1)
SECRET = "5d9f3c1a7e-this-is-a-secret-of-64-bytes-or-more-4b8d2f6a0c9e7b5d3f1a"
NAMED = {"jwks_url": "https://auth.example.com/jwks", "revocations_url": None}  # so that the issuer need be no URL


def problems_of(given):
    with override_settings(JWTAUTH=given), pytest.raises(conf.InvalidSettingsError) as caught:
        conf.get_config()
    return caught.value.problems
