"""Each target holds for what it begins with; and each rule that it checks can be broken, and is then found."""

import logging
import time

import pytest
from django.contrib.auth import get_user_model
from django.http import HttpResponse, JsonResponse
from django.urls import path

from tests.fuzz import urls
from tests.fuzz.requests import ENDPOINTS, SIGNED_IN, Endpoint, chosen, environment, is_a_request, name_of, type_of
from tests.fuzz.target import BrokenRuleError, Target, joined, parts, peak
from tests.fuzz.targets import TARGETS, lists, signed, tokens
from tests.fuzz.targets import changes as changed


@pytest.mark.parametrize("target", TARGETS.values(), ids=TARGETS)
def test_a_target_holds_for_all_that_it_begins_with(target, world):
    seeds = list(target.seeds())
    assert len(seeds) > 20
    assert len([seed for seed in seeds if len(seed) <= target.max_length]) > 20
    for seed in seeds:
        target(seed)


def broken(check, data=b"", **limits):
    """What is found, given an input."""
    with pytest.raises(BrokenRuleError) as caught:
        Target(name="x", check=check, seeds=list, **limits)(data)
    return str(caught.value)


def test_an_exception_leaves_a_target():
    with pytest.raises(KeyError):
        Target(name="x", check={}.__getitem__, seeds=list)(b"a")


def test_an_input_that_takes_long_is_found():
    def work(data):
        until = time.process_time() + 0.2
        while time.process_time() < until:
            pass

    assert "processor time" in broken(work, seconds=0.1)


def test_an_input_that_takes_much_memory_is_found():
    assert "KiB of memory" in broken(lambda data: b"x" * peak(), mebibytes=1)


def test_parts_are_what_was_joined():
    assert parts(joined("a", b"\xff\x1e"), 2) == [b"a", b"\xff\x1e"]
    assert parts(b"a", 3) == [b"a", b"", b""]
    endpoints = list("abc")
    assert [chosen(name_of(number).encode(), endpoints) for number in range(3)] == endpoints
    assert chosen(b"", endpoints) == "a"


@pytest.mark.parametrize("module", [tokens, lists, changed])
def test_what_nobody_has_signed_is_found_if_it_is_accepted(module, monkeypatch):
    good = module.GOOD if isinstance(module.GOOD, str) else module.GOOD[0]
    module.check(joined("r", good))
    monkeypatch.setattr(module, "GOOD", "")
    assert "nobody has signed" in broken(module.check, joined("r", good))


@pytest.mark.parametrize(
    "changes",
    [{"sub": ""}, {"exp": 1}, {"iat": tokens.NOW + 60}, {"iss": "x"}, {"aud": "x"}, {"nbf": "1"}, {"sid": ...}],
)
def test_claims_that_are_bad_are_found_if_they_are_accepted(changes):
    claims = {name: value for name, value in {**tokens.CLAIMS, **changes}.items() if value is not ...}
    token = tokens.verifier().verify(tokens.GOOD[0])
    forged = type(token).from_claims(claims)
    with pytest.raises(BrokenRuleError):
        tokens.require_good_claims(forged, claims)


# Requests


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=lambda endpoint: f"{endpoint.method} {endpoint.path}")
def test_a_good_request_succeeds(endpoint, world):
    sent = {"headers": endpoint.headers, "content_type": type_of(endpoint.body), "body": endpoint.body.encode()}
    assert world.send(endpoint, **sent) < 300


@pytest.mark.parametrize(("kind", "count"), [("a", 9), ("r", 6)])
def test_a_token_that_is_signed_again_is_as_good(kind, count, world):
    names = [name_of(number) for number in range(len(signed.ENDPOINTS))]
    answers = [signed.check(joined(kind + name, "<header>", "<claims>")) for name in names]
    assert answers.count(200) + answers.count(204) == count
    assert set(answers) <= {200, 204, 400, 401}


def fails(request):
    raise LookupError("what nobody has thought of")


def says(status, body=b"", **headers):
    """Return a view that always answers the same."""
    return lambda request: HttpResponse(body, status=status, headers=headers)


def logs(request):
    logging.getLogger("django_jwtauth").warning("from %s", request.headers["X-Name"])
    return HttpResponse(status=403)


def changes(request):
    get_user_model().objects.create_user(str(time.monotonic()))
    return HttpResponse(status=int(request.GET["status"]))


def repeats(request):
    return JsonResponse({"detail": request.headers["Authorization"]}, status=403)


def sets_a_header(request):
    response = HttpResponse()
    response.headers._store["x-name"] = ("X-Name", "a\r\nb")
    return response


urlpatterns = [
    *urls.urlpatterns,
    path("fails/", fails),
    path("busy/", says(500)),
    path("teapot/", says(418)),
    path("open/", says(200)),
    path("long/", says(403, b"x" * 5000)),
    path("silent/", says(401, b"{}")),
    path("mute/", says(401, b"{}", **{"WWW-Authenticate": 'Bearer realm="api"'})),
    path("broken/", says(400, b"{", **{"Content-Type": "application/json"})),
    path("logs/", logs),
    path("changes/", changes),
    path("repeats/", repeats),
    path("header/", sets_a_header),
]
SENT = {
    "/busy/": ({}, "the status is 500"),
    "/teapot/": ({}, "the status is 418"),
    "/open/": ({}, "succeeded"),
    "/long/": ({}, "a refusal of 5000 bytes"),
    "/mute/": ({}, "{}"),
    "/logs/": ({"headers": "X-Name: \x1b[2J"}, "the log has"),
    "/changes/": ({"query": "status=204"}, "changed something"),
    "/repeats/": ({"headers": SIGNED_IN}, "a refusal shows"),
    "/header/": ({}, "a line break"),
}


@pytest.mark.urls(__name__)
@pytest.mark.parametrize("where", SENT)
def test_an_answer_that_must_not_be_is_found(where, world):
    request, words = SENT[where]
    with pytest.raises(BrokenRuleError, match=words):
        world.send(Endpoint(method="GET", path=where, needs=("<access>",)), **request)


@pytest.mark.urls(__name__)
@pytest.mark.parametrize(
    ("where", "error"), [("/fails/", LookupError), ("/silent/", KeyError), ("/broken/", ValueError)]
)
def test_an_error_is_found(where, error, world):
    with pytest.raises(error):
        world.send(Endpoint(method="GET", path=where))


@pytest.mark.urls(__name__)
def test_a_refusal_that_changes_something_is_found_also_with_a_secret(world):
    endpoint = Endpoint(method="GET", path="/changes/", needs=("<access>",))
    with pytest.raises(BrokenRuleError, match="refused with 403, and something changed"):
        world.send(endpoint, query="status=403", headers=SIGNED_IN)
    world.send(endpoint, query="status=204", headers=SIGNED_IN)
    assert get_user_model().objects.count() == 1  # each request finds the same world


def test_what_django_makes_no_request_of_is_passed_over(world):
    endpoint = Endpoint(method="GET", path="/fails/")
    odd = {"query": "\xff", "content_type": "text/plain; charset=uu"}
    assert world.send(endpoint, **odd) == 500
    assert not is_a_request(environment("GET", "/", **odd, headers="", body=b""))
    assert is_a_request(environment("GET", "/", "a", "", "text/plain; charset=no-such", b""))


def test_a_server_joins_headers_of_one_name_and_drops_odd_ones():
    headers = "Cookie: a=1\nCookie: b=2\nX-A: 1\nx-a: 2\nX_B: 3\nno header\nContent-Type: text/plain\nX-C: a\x00b\rc"
    made = environment("GET", "/", "", headers, "application/json\n", b"abc")
    assert (made["HTTP_COOKIE"], made["HTTP_X_A"], made["HTTP_X_C"]) == ("a=1; b=2", "1,2", "a b c")
    assert (made["CONTENT_TYPE"], made["CONTENT_LENGTH"]) == ("text/plain", "3")
    assert "HTTP_X_B" not in made
