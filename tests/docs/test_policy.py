"""The policy for changes: the wire format that it promises is the one that is written."""

import json
import re
from dataclasses import replace

import pytest

from django_jwtauth import sessions
from django_jwtauth._core import jws
from django_jwtauth._core.revocation_list import RevocationList, SignedList
from django_jwtauth.keys import Key, b64url_decode
from tests.tools.docs import page, rows, section

TABLE = {cells[0]: cells[1:] for cells in rows(section(page("docs/policy.md"), "## The wire format"))}


def promised(document):
    """Return the type of a document, the claims that it always has, and those that it may have."""
    typ, claims = TABLE[document][0].strip("`"), TABLE[document][1]
    always, _, sometimes = claims.partition("if they apply")
    return typ, *(re.findall(r"`(\w+)`", text) for text in (always, sometimes))


def decoded(raw):
    """Return header and claims of a token, as they are written."""
    return [json.loads(b64url_decode(part)) for part in raw.encode().split(b".")[:2]]


@pytest.mark.django_db
def test_tokens_have_the_type_and_the_claims_that_are_promised(user):
    pair = sessions.start(user, scope="orders:read", amr=["pwd"], acr="1")
    acting = sessions.start(user, actor=type(user).objects.create(username="helper"))
    typ, always, sometimes = promised("access token")
    header, claims = decoded(pair.access)
    assert (header["typ"], set(claims)) == (typ, {*always, *sometimes} - {"act"})
    assert set(decoded(acting.access)[1]) == {*always, "act"}
    typ, always, sometimes = promised("refresh token")
    header, claims = decoded(pair.refresh)
    assert (header["typ"], set(claims), sometimes) == (typ, set(always), [])


def test_the_list_has_the_type_and_the_claims_that_are_promised():
    document = SignedList(revoked=RevocationList(), issued_at=1, expires_at=2, ttl=1, max_lifetime=1)
    header, claims = decoded(document.sign(issuer="i", key=Key.generate("ES256")))
    typ, always, sometimes = promised("revocation list")
    assert (header["typ"], list(claims)) == (typ, always)
    divided = replace(document, changes="changes")
    assert set(decoded(divided.sign(issuer="i", key=Key.generate("ES256")))[1]) == {*always, *sometimes}
    header, claims = decoded(divided.sign_changes((), issuer="i", key=Key.generate("ES256")))
    typ, always, sometimes = promised("changes of the revocation list")
    assert (header["typ"], list(claims), sometimes) == (typ, always, [])
    named = {cells[0].strip("`") for cells in TABLE.values()}
    assert {jws.ACCESS.typ, jws.REFRESH.typ, jws.REVOCATIONS.typ, jws.CHANGES.typ} <= named
