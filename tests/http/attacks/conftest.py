"""Good tokens, of an issuer with a secret and of one with asymmetric keys."""

import pytest

from django_jwtauth import conf
from tests.tools.attacks import KEYS, SETUPS, UNLIMITED, Good


@pytest.fixture(params=SETUPS)
def issuer(request, settings):
    """The issuer's settings: the derived secret, or asymmetric keys."""
    algs = SETUPS[request.param]
    # The first key signs. The others only verify: checking a private RSA key would take long.
    pems = [KEYS[alg].public_pem() if index else KEYS[alg].private_pem() for index, alg in enumerate(algs)]
    keys = [{"alg": alg, "pem": pem} for alg, pem in zip(algs, pems, strict=True)]
    settings.JWTAUTH = {"THROTTLE_RATES": UNLIMITED, **({"SIGNING_KEYS": keys} if keys else {})}


@pytest.fixture
def good(issuer, pair):
    config = conf.get_config()
    return Good(
        access=pair.access,
        refresh=pair.refresh,
        key=config.signing_keys.signing_key,
        refresh_key=config.refresh_keys.signing_key,
    )
