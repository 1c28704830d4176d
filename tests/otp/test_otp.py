"""A device of django-otp, which is also what django-two-factor-auth keeps, and sign-in by password."""

import pytest
from django.core.checks import run_checks
from django_otp import match_token, user_has_device
from django_otp.plugins.otp_static.models import StaticDevice, StaticToken
from django_otp.plugins.otp_totp.models import TOTPDevice
from rest_framework.test import APIClient

from django_jwtauth.models import RefreshToken
from tests.tools.http import RIGHT, TOKEN

pytestmark = pytest.mark.django_db


def sign_in_by_browser():
    client = APIClient(enforce_csrf_checks=True)
    csrf = client.get("/auth/browser/csrf/").json()["csrf_token"]
    return client.post("/auth/browser/login/", RIGHT, headers={"X-CSRFToken": csrf})


@pytest.mark.parametrize("model", [TOTPDevice, StaticDevice])
def test_the_password_alone_does_not_sign_in_a_user_with_a_device(client, user, model):
    model.objects.create(user=user, name="default", confirmed=True)
    for answer in (client.post(TOKEN, RIGHT), sign_in_by_browser()):
        assert (answer.status_code, answer.json()["reason"]) == (401, "second_factor")
        assert answer.cookies.keys() <= {"csrftoken"}
    assert not RefreshToken.objects.exists()


def test_it_signs_in_a_user_without_a_confirmed_device(client, user):
    TOTPDevice.objects.create(user=user, name="default", confirmed=False)
    assert client.post(TOKEN, RIGHT).status_code == 200
    assert sign_in_by_browser().status_code == 200


def challenge(user, *, request):
    is_met = not user_has_device(user) or match_token(user, request.headers.get("X-Code", ""))
    return None if is_met else {"reason": "second_factor"}


def test_a_function_of_the_project_can_take_the_code_with_the_password(client, user, settings):
    settings.JWTAUTH = {"SIGN_IN_CHALLENGE": challenge}
    device = StaticDevice.objects.create(user=user, confirmed=True)
    StaticToken.objects.create(device=device, token="abc")
    assert client.post(TOKEN, RIGHT).status_code == 401
    assert client.post(TOKEN, RIGHT, headers={"X-Code": "abc"}).status_code == 401  # django-otp counts wrong codes
    device.throttle_reset()
    assert client.post(TOKEN, RIGHT, headers={"X-Code": "abc"}).status_code == 200


def warnings():
    messages = run_checks(tags=["security"], include_deployment_checks=True)
    return [message for message in messages if message.id == "jwtauth.W011"]


def test_the_check_warns_until_the_project_decides(settings):
    (warning,) = warnings()
    assert "django-otp" in warning.msg
    assert "auth/token/, auth/browser/login/" in warning.msg
    settings.JWTAUTH = {"SIGN_IN_CHALLENGE": challenge}
    assert warnings() == []
