"""A project with signed-in users moves from Simple JWT to us, release by release, while its clients go on.

Each release is a process with an HTTP server. Two answer at the same time, as in a rolling deployment.
"""

import signal
import time

import pytest

from django_jwtauth.keys import Key
from tests.migrate.clients import Client, Crowd, Deployment, go_on
from tests.migrate.releases import Release

# Three hundred users: sixty for each of the five ways to use Simple JWT.
PEOPLE = [f"user {n}" for n in range(60)]
THREADS = 4
SOME = 1 / 4


@pytest.fixture
def release(tmp_path):
    started = []

    def release(name, variant, **environment):
        started.append(Release(name, variant, tmp_path / "project.sqlite3", **environment))
        return started[-1]

    yield release
    for each in started:
        each.stop()


def keys_of(variant):
    if variant != "second service":
        return {}
    key = Key.generate("RS256")
    return {"JWTAUTH_TEST_PRIVATE": key.private_pem(), "JWTAUTH_TEST_PUBLIC": key.public_pem()}


def statuses(server, url, tokens, name="refresh"):
    return {server.ask("POST", url, {name: token})[0] for token in tokens}


@pytest.mark.parametrize("variant", ["default", "rotating", "sliding", "second service", "own serializer"])
def test_nobody_is_signed_out_and_nothing_old_stays(release, variant):
    keys = keys_of(variant)
    names = ("before", "step 1", "step 2", "after")
    started = [release(name, variant, **keys) for name in names]
    before, first, second, after = (each.ready() for each in started)
    before.tell("manage", "migrate", "-v0")
    before.tell("users", PEOPLE)
    clients = [Client(name, variant) for name in PEOPLE]
    deployment = Deployment()
    deployment.servers = [before]
    if variant == "second service":
        deployment.services = [release("service before", variant, **keys).ready()]
    crowds = [Crowd(clients[n::THREADS], deployment) for n in range(THREADS)]
    for crowd in crowds:
        crowd.start()
    go_on(crowds)

    # The release with the bridge comes, server by server, and then the next one.
    first.tell("manage", "migrate", "-v0")
    if variant == "second service":
        service = release("service", variant, **keys, JWTAUTH_TEST_ISSUER=str(first.port)).ready()
        deployment.services = [*deployment.services, service]
        go_on(crowds, share=SOME)
        deployment.services = [service]
    deployment.servers = [before, first]
    go_on(crowds, share=SOME)
    deployment.servers = [first]
    go_on(crowds, share=SOME)
    deployment.takes_pairs_only = True
    deployment.servers = [first, second]
    go_on(crowds, share=SOME)
    deployment.servers = [second]
    second.tell("manage", "jwtauth_import_simplejwt")
    go_on(crowds, share=SOME)
    # The old tables go, and the bridge too, once everybody has come.
    second.tell("manage", "jwtauth_drop_simplejwt", "--yes")
    go_on(crowds)
    deployment.servers = [second, after]
    go_on(crowds, share=SOME)
    deployment.is_over = True
    for crowd in crowds:
        crowd.join()
    assert deployment.troubles == []

    # Each of them has one session, and nothing else can be refreshed once an hour has passed.
    assert second.tell("live") == sorted(PEOPLE)
    gone, leaving, *others = clients
    leaving.sign_out(deployment)
    second.tell("delete", gone.name)  # which the old tables would not have let go
    second.tell("age")
    over = [token for client in clients for token in client.over]
    assert statuses(second, "/api/token/verify/", [*over, gone.refresh, leaving.refresh], "token") == {401}
    second.tell("manage", "migrate", "jwtauth_simplejwt", "zero", "-v0")
    assert statuses(after, "/api/token/refresh/", [client.refresh for client in others]) == {200}
    assert statuses(after, "/api/token/refresh/", [client.over[0] for client in others]) == {401}
    assert deployment.troubles == []


def test_an_import_that_is_killed_half_way_goes_on(release):
    people = [f"user {n}" for n in range(100)]
    before, second = (each.ready() for each in [release("before", "default"), release("step 2", "default")])
    before.tell("manage", "migrate", "-v0")
    second.tell("manage", "migrate", "-v0")
    before.tell("users", people)
    deployment = Deployment()
    deployment.servers = [before]
    clients = [Client(name, "default") for name in people]
    for client in clients:
        client.sign_in(deployment)
    process = second.start("jwtauth_import_simplejwt", "--batch-size=1")
    while not (done := second.tell("live")):
        time.sleep(0.01)
    process.kill()
    assert process.wait(timeout=30) == -signal.SIGKILL
    assert 0 < len(second.tell("live")) < len(people), done
    second.tell("manage", "jwtauth_import_simplejwt")
    assert second.tell("live") == sorted(people)
    deployment.servers = [second]
    for client in clients:
        client.renew(deployment)
    assert second.tell("live") == sorted(people)
    assert deployment.troubles == []
