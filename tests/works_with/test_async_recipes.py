"""The recipes of the page "Async": with the real packages, in a real server, called over the network."""

import asyncio
import contextlib
import json
import os
import socket
import sqlite3
import subprocess
import sys
import textwrap
import time

import httpx
import pytest
import websockets

from tests.tools.processes import ROOT, run_script

PATIENCE = 60
SOCKET = """
import asyncio
from tests.works_with import recipes
from django.contrib.auth import get_user_model
from django_jwtauth import sessions
from project.sockets import TokenConsumer

user = get_user_model().objects.get(username="ada")


async def serve(consumer, access, *frames):
    arrived, closed = asyncio.Queue(), asyncio.Event()
    consumer.closed = closed
    for message in ({"type": "websocket.connect"}, *frames):
        arrived.put_nowait(message)

    async def send(message):
        if message["type"] == "websocket.close":
            closed.set()

    scope = {"type": "websocket", "path": "/ws/", "headers": [], "subprotocols": ["access-token", access]}
    await consumer.as_asgi()(scope, arrived.get, send)
"""
MAKE = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.works_with.recipes_settings"
import django
django.setup()
from django.contrib.auth import get_user_model
from django.core.management import call_command
call_command("migrate", verbosity=0)
get_user_model().objects.create_user("ada", password="correct horse")
"""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """The database of the project."""
    return str(tmp_path_factory.mktemp("recipes") / "db.sqlite3")


@pytest.fixture(scope="module")
def server(file):
    """The address of uvicorn, which serves the project of the page."""
    run_script(MAKE, JWTAUTH_TEST_FILE=file)
    listener = socket.create_server(("127.0.0.1", 0))
    command = [sys.executable, "-m", "uvicorn", "--fd", str(listener.fileno()), "tests.works_with.recipes:application"]
    environment = {**os.environ, "JWTAUTH_TEST_FILE": file, "PYTHONPATH": str(ROOT)}
    process = subprocess.Popen(command, cwd=ROOT, env=environment, pass_fds=[listener.fileno()])
    address = f"127.0.0.1:{listener.getsockname()[1]}"
    listener.close()
    try:
        deadline = time.monotonic() + PATIENCE
        while True:
            with contextlib.suppress(httpx.HTTPError):
                httpx.get(f"http://{address}/whoami/", timeout=PATIENCE)
                break
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.1)
        yield address
    finally:
        process.terminate()
        process.wait(PATIENCE)


@pytest.fixture
def http(server):
    with httpx.Client(base_url=f"http://{server}", timeout=PATIENCE) as client:
        yield client


@pytest.fixture
def tokens(http):
    answer = http.post("/auth/token/", json={"username": "ada", "password": "correct horse"})
    assert answer.status_code == 200
    return answer.json()


def bearer(raw):
    return {"Authorization": f"Bearer {raw}"}


def sign_out(http, tokens):
    assert http.post("/auth/logout/", headers=bearer(tokens["access"])).status_code == 204


@pytest.mark.parametrize("url", ["/adrf/", "/ninja/me", "/ninja/ame"])
def test_views_and_operations(http, tokens, url):
    answer = http.get(url, headers=bearer(tokens["access"]))
    assert (answer.status_code, answer.json()["user"]) == (200, "ada")
    assert http.get(url).status_code == 401
    sign_out(http, tokens)
    refused = http.get(url, headers=bearer(tokens["access"]))
    assert (refused.status_code, refused.json()["reason"]) == (401, "revoked")
    assert refused.headers["WWW-Authenticate"] == 'Bearer realm="api", error="invalid_token"'


def test_graphql(http, tokens):
    query = {"query": "{me}"}
    answer = http.post("/graphql/", json=query, headers=bearer(tokens["access"]))
    assert (answer.status_code, answer.json()["data"]) == (200, {"me": "ada"})
    assert http.post("/graphql/", json=query).json()["reason"] == "not_authenticated"
    sign_out(http, tokens)
    assert http.post("/graphql/", json=query, headers=bearer(tokens["access"])).json()["reason"] == "revoked"


# Channels


def talk(server, main, **options):
    async def connect():
        async with asyncio.timeout(PATIENCE), websockets.connect(f"ws://{server}/ws/", **options) as socket:
            return await main(socket)

    return asyncio.run(connect())


async def closed(socket):
    """Return the code with which it is closed."""
    await socket.wait_closed()
    return socket.close_code


def test_a_socket_with_the_token_as_a_subprotocol(server, http, tokens):
    async def main(socket):
        assert socket.subprotocol == "access-token"  # and not the token
        assert json.loads(await socket.recv())["user"] == "ada"
        await socket.send(json.dumps({"hello": 1}))
        assert json.loads(await socket.recv()) == {"echo": {"hello": 1}}
        await asyncio.to_thread(sign_out, http, tokens)
        return await closed(socket)

    assert talk(server, main, subprotocols=["access-token", tokens["access"]]) == 4401


def test_a_socket_with_the_token_in_the_first_message(server, http, tokens):
    async def main(socket):
        await socket.send(json.dumps({"token": tokens["access"]}))
        assert json.loads(await socket.recv())["user"] == "ada"
        renewed = await asyncio.to_thread(http.post, "/auth/token/refresh/", json={"refresh": tokens["refresh"]})
        await socket.send(json.dumps({"token": renewed.json()["access"]}))
        await socket.send(json.dumps("still here"))
        assert json.loads(await socket.recv()) == {"echo": "still here"}
        await asyncio.to_thread(sign_out, http, tokens)
        return await closed(socket)

    assert talk(server, main) == 4401


def test_a_socket_whose_token_cannot_be_checked_is_closed(server, file, tokens):
    """Nobody would look again: it would stay open for ever."""
    away, back = (
        f"ALTER TABLE django_jwtauth_refreshtoken{old} RENAME TO django_jwtauth_refreshtoken{new}"
        for old, new in (("", "_away"), ("_away", ""))
    )

    async def main(socket):
        await socket.recv()
        with contextlib.closing(sqlite3.connect(file, isolation_level=None)) as database:
            database.execute(away)
            try:
                async with asyncio.timeout(10):
                    return await closed(socket)
            finally:
                database.execute(back)

    assert talk(server, main, subprotocols=["access-token", tokens["access"]]) == 1013


@pytest.mark.parametrize("message", [{"token": "nonsense"}, {"token": 1}, {"hello": 1}, ["token"], None])
def test_a_socket_without_a_good_token_is_closed(server, message):
    async def main(socket):
        if message is not None:
            await socket.send(json.dumps(message))
        return await closed(socket)

    assert talk(server, main) == 4401


def test_a_socket_is_not_handed_to_another_session(server, http, tokens):
    other = http.post("/auth/token/", json={"username": "ada", "password": "correct horse"}).json()

    async def main(socket):
        await socket.recv()
        await socket.send(json.dumps({"token": other["access"]}))
        return await closed(socket)

    assert talk(server, main, subprotocols=["access-token", tokens["access"]]) == 4401


def test_frames_that_came_before_the_socket_was_closed_are_not_received(server, file):
    script = """
    received = []


    class Consumer(TokenConsumer):
        async def received(self, content):
            received.append(content)
            await sessions.arevoke_all(self.user)
            await self.closed.wait()


    async def main():
        pair = await sessions.astart(user)
        frames = [{"type": "websocket.receive", "text": text} for text in "123"]
        await serve(Consumer, pair.access, *frames, {"type": "websocket.disconnect", "code": 4401})
        print(received)


    asyncio.run(main())
    """
    assert run_script(SOCKET + textwrap.dedent(script), JWTAUTH_TEST_FILE=file) == "[1]\n"


def test_nobody_looks_after_a_socket_that_an_error_has_ended(server, file):
    script = """
    async def main():
        pair = await sessions.astart(user)
        try:
            await serve(TokenConsumer, pair.access, {"type": "websocket.receive", "bytes": b"no text"})
        except ValueError as error:
            print(error)
        watching = asyncio.all_tasks() - {asyncio.current_task()}
        print(len((await asyncio.wait(watching, timeout=5))[1]) if watching else 0)


    asyncio.run(main())
    """
    printed = run_script(SOCKET + textwrap.dedent(script), JWTAUTH_TEST_FILE=file).splitlines()
    assert printed == ["No text section for incoming WebSocket frame!", "0"]


@pytest.mark.parametrize("offered", [["access-token", "nonsense"], ["access-token"], ["other", "x"]])
def test_a_handshake_with_a_bad_subprotocol_is_refused(server, offered):
    with pytest.raises(websockets.InvalidStatus) as caught:
        talk(server, closed, subprotocols=offered)
    assert caught.value.response.status_code == 403


def test_a_refresh_whose_client_hangs_up_leaves_a_session_that_goes_on(server, http, tokens):
    body = json.dumps({"refresh": tokens["refresh"]}).encode()
    host, port = server.split(":")
    head = f"POST /auth/token/refresh/ HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\n"
    for pause in (0, 0.001, 0.003, 0.01, 0.03):
        with socket.create_connection((host, int(port))) as connection:
            connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
            time.sleep(pause)
    answer = http.post("/auth/token/refresh/", json={"refresh": tokens["refresh"]})
    assert answer.status_code == 200
    assert http.get("/whoami/", headers=bearer(answer.json()["access"])).status_code == 200
