"""Views that are not REST framework's, or not synchronous, with our classes as they are."""

import json

import graphene
import pytest
import strawberry
import strawberry_django
from adrf.views import APIView
from asgiref.sync import async_to_sync
from asgiref.testing import ApplicationCommunicator
from django.contrib.auth import get_user_model
from django.test import AsyncClient
from django.urls import path
from graphene_django import DjangoObjectType
from graphene_django.views import GraphQLView as GrapheneView
from ninja import ModelSchema
from rest_framework.response import Response
from strawberry.django.views import GraphQLView as StrawberryView

from django_jwtauth import sessions
from django_jwtauth.authentication import JWTAuthentication, StatelessJWTAuthentication
from django_jwtauth.models import RefreshToken
from tests.tools.database import database_away
from tests.tools.http import bearer
from tests.tools.routes import WithRoutes

from .consumers import WhoAmI
from .page import run

NINJA = run("django-ninja")  # an API of ninja has one name per process


# adrf


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("cls", [JWTAuthentication, StatelessJWTAuthentication])
def test_adrf_awaits_our_classes(client, user, cls):
    class Who(APIView):
        authentication_classes = [cls]

        async def get(self, request):
            return Response({"user": str(request.user.pk)})

    pair = sessions.start(user)
    with WithRoutes(path("who/", Who.as_view())):
        for ask in (client.get, async_to_sync(AsyncClient().get)):
            answer = ask("/who/", **bearer(pair.access))
            assert (answer.status_code, answer.json()) == (200, {"user": str(user.pk)})
            for headers in ({}, bearer("nonsense"), bearer(pair.refresh)):
                refused = ask("/who/", **headers)
                assert (refused.status_code, "Bearer" in refused["WWW-Authenticate"]) == (401, True)


@pytest.mark.django_db(transaction=True)
def test_adrf_answers_an_outage_of_the_database(client, user):
    class Who(APIView):
        authentication_classes = [JWTAuthentication]

        async def get(self, request):
            return Response({"user": str(request.user.pk)})

    pair = sessions.start(user)
    with WithRoutes(path("who/", Who.as_view())):
        for ask in (client.get, async_to_sync(AsyncClient().get)):
            with database_away():
                answer = ask("/who/", **bearer(pair.access))
                assert (answer.status_code, answer["Retry-After"], answer.json()["reason"]) == (503, "1", "unavailable")
            assert ask("/who/", **bearer(pair.access)).status_code == 200


# django-ninja


@pytest.mark.django_db
def test_ninja_takes_our_tokens_and_answers_our_refusals(client, user, pair):
    with WithRoutes(path("ninja/", NINJA.api.urls)):
        answer = client.get("/ninja/me", **bearer(pair.access))
        assert answer.json() == {"user": str(user.pk), "session": str(pair.session.pk)}
        assert client.get("/ninja/me").status_code == 401
        sessions.revoke(pair.session)
        refused = client.get("/ninja/me", **bearer(pair.access))
    assert (refused.status_code, refused.json()["reason"]) == (401, "revoked")
    assert refused["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'


@pytest.mark.django_db
def test_ninja_schema_of_a_session_without_what_is_hidden(pair):
    class Shown(ModelSchema):
        class Meta:
            model = RefreshToken
            exclude = ["secret", "auth_hash"]

    assert Shown.from_orm(pair.session).dict()["id"] == pair.session.pk

    class Everything(ModelSchema):
        class Meta:
            model = RefreshToken
            fields = "__all__"

    with pytest.raises(ValueError, match="secret") as caught:
        Everything.from_orm(pair.session)
    assert repr(bytes(pair.session.secret))[2:-1] not in str(caught.value)


# strawberry-graphql-django, graphene-django


@strawberry_django.type(get_user_model())
class Person:
    username: strawberry.auto


@strawberry.type
class StrawberryQuery:
    @strawberry.field
    def me(self, info: strawberry.Info) -> Person | None:
        user = info.context.request.user
        return user if user.is_authenticated else None


class GraphenePerson(DjangoObjectType):
    class Meta:
        model = get_user_model()
        fields = ["username"]


class GrapheneQuery(graphene.ObjectType):
    me = graphene.Field(GraphenePerson)

    def resolve_me(self, info):
        user = info.context.user
        return user if user.is_authenticated else None


VIEWS = {
    "strawberry": StrawberryView.as_view(schema=strawberry.Schema(query=StrawberryQuery)),
    "graphene": GrapheneView.as_view(schema=graphene.Schema(query=GrapheneQuery)),
}


@pytest.mark.django_db
@pytest.mark.parametrize("package", VIEWS)
def test_graphql_has_the_user_of_the_token(package, client, user, pair):
    by_token = run("strawberry-graphql-django and graphene-django").by_token
    me = {"query": "{me {username}}"}
    with WithRoutes(path("graphql/", by_token(VIEWS[package]))):
        answer = client.post("/graphql/", me, format="json", **bearer(pair.access))
        assert answer.json()["data"] == {"me": {"username": "ada"}}
        client.force_login(user)  # a cookie, which other sites' pages send too
        assert client.post("/graphql/", me, format="json").json()["data"] == {"me": None}
        sessions.revoke(pair.session)
        refused = client.post("/graphql/", me, format="json", **bearer(pair.access))
    assert (refused.status_code, refused.json()["reason"]) == (401, "revoked")
    assert refused["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'


def test_graphql_types_cannot_have_what_is_hidden():
    with pytest.raises(Exception, match=r"RefreshToken\.secret"):

        class GrapheneSession(DjangoObjectType):
            class Meta:
                model = RefreshToken
                fields = ["id", "secret"]

    @strawberry_django.type(RefreshToken, fields=["id", "secret"])
    class StrawberrySession:
        pass

    @strawberry.type
    class Query:
        @strawberry.field
        def session(self) -> StrawberrySession:
            raise NotImplementedError

    with pytest.raises(TypeError, match=r"RefreshToken\.secret"):
        strawberry.Schema(query=Query)


# channels


@pytest.mark.django_db(transaction=True)
def test_channels_connects_who_has_a_token(user, pair):
    app = run("channels").TokenMiddleware(WhoAmI.as_asgi())

    async def connect(*headers):
        scope = {"type": "websocket", "path": "/ws/", "query_string": b"", "headers": headers, "subprotocols": []}
        communicator = ApplicationCommunicator(app, scope)
        await communicator.send_input({"type": "websocket.connect"})
        first = await communicator.receive_output()
        if first["type"] == "websocket.close":
            return first["code"]
        told = await communicator.receive_output()
        await communicator.send_input({"type": "websocket.disconnect", "code": 1000})
        await communicator.wait()
        return json.loads(told["text"])

    connect = async_to_sync(connect)
    with_token = (b"authorization", f"Bearer {pair.access}".encode())
    assert connect(with_token) == {"user": "ada", "session": str(pair.session.pk)}
    assert connect() == connect((b"authorization", b"Bearer x")) == 4401
    sessions.revoke(pair.session)
    assert connect(with_token) == 4401
