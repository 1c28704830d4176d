"""An issuer with a key that others can verify with."""

import time

import pytest
from django.test import Client

from django_jwtauth import published_list
from django_jwtauth._core.clock import stopwatch
from tests.tools.well_known import Clock, jwtauth


@pytest.fixture(autouse=True)
def _issuer(settings):
    settings.JWTAUTH = jwtauth("ES256")
    published_list.forget()


@pytest.fixture
def http():
    return Client()


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(stopwatch, "seconds", lambda: clock.monotonic)
    monkeypatch.setattr(time, "time", lambda: clock.wall)
    return clock
