"""django-polymorphic and django-phonenumber-field: users of several classes, who sign in by phone."""

import pytest
from django.test import RequestFactory

from django_jwtauth import conf, sessions
from django_jwtauth.authentication import JWTAuthentication
from tests.tools.http import REFRESH, TOKEN, bearer

from .models import Employee, Person

pytestmark = pytest.mark.django_db
PHONE = "+14155552671"


@pytest.fixture
def employee():
    made = Employee(phone=PHONE, department="stock")
    made.set_password("correct horse")
    made.save()
    return made


@pytest.mark.parametrize("typed", [PHONE, " +14155552671 "])
def test_phonenumber_field_signs_in_by_phone(client, employee, typed):
    answer = client.post(TOKEN, {"phone": typed, "password": "correct horse"})
    assert answer.status_code == 200
    assert client.get("/whoami/", **bearer(answer.json()["access"])).json()["user"] == str(employee.pk)


@pytest.mark.parametrize("typed", ["ada", "+1415", "4155552671", "💥", "+" + "1" * 300])
def test_phonenumber_field_refuses_what_is_no_number_of_a_user(client, employee, typed):
    assert client.post(TOKEN, {"phone": typed, "password": "correct horse"}).status_code in (400, 401)


def test_phonenumber_field_is_introspected_as_text(client, employee):
    employee.is_superuser = True
    employee.save()
    access = sessions.start(employee).access
    answer = client.post("/auth/token/introspect/", {"token": access}, **bearer(access))
    assert (answer.status_code, answer.json()["username"]) == (200, PHONE)


def test_polymorphic_users_have_their_own_class(client, employee, settings):
    settings.JWTAUTH = {"CLAIMS": {"department": "department"}}
    tokens = client.post(TOKEN, {"phone": PHONE, "password": "correct horse"}).json()
    user, token = JWTAuthentication().authenticate(RequestFactory().get("/", **bearer(tokens["access"])))
    assert (type(user), user.department, token.claims["department"]) == (Employee, "stock", "stock")
    Employee.objects.update(department="sales")
    refreshed = client.post(REFRESH, {"refresh": tokens["refresh"]})
    assert refreshed.status_code == 200
    assert conf.get_config().verifier.verify(refreshed.json()["access"]).claims["department"] == "sales"


def test_polymorphic_users_are_signed_out_as_any_others(client, employee):
    access = sessions.start(employee).access
    person = Person.objects.non_polymorphic().get(pk=employee.pk)
    person.is_active = False
    person.save()
    assert client.get("/whoami/", **bearer(access)).status_code == 401
    pair = sessions.start(Employee.objects.create(phone="+14155552672", department="stock"))
    pair.session.user.delete()
    pair.session.refresh_from_db()
    assert (pair.session.user, pair.session.revoked_reason) == (None, "user_deleted")
