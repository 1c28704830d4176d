"""Services without Django: FastAPI, plain ASGI and plain WSGI."""

import asyncio
import json
import os
import sys
from typing import Annotated

from fastapi import Depends, FastAPI, Request, Response
from fastapi.responses import JSONResponse
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.verifier import AccessToken, Verifier

from .config import jwtauth

assert not any(name.partition(".")[0] == "django" for name in sys.modules)

config = jwtauth()
((issuer, _),) = config["TRUSTED_ISSUERS"].items()
verifier = Verifier(issuer=issuer, audience=config["AUDIENCE"], poll_interval=config["REVOCATION_POLL_INTERVAL"])
CHALLENGE = 'Bearer realm="api", error="invalid_token"'


def about(token):
    """Say who asks, and how much of Django is there."""
    from django.conf import settings

    return {"subject": token.subject, "issuer": token.issuer, "configured": settings.configured}


# FastAPI

app = FastAPI()
bearer = HTTPBearer(auto_error=False)


@app.exception_handler(InvalidTokenError)
def refused(request: Request, error: InvalidTokenError) -> JSONResponse:
    """Answer 401."""
    headers = {"WWW-Authenticate": CHALLENGE, "Worker": str(os.getpid())}
    return JSONResponse({"detail": "Not authenticated", "reason": error.reason}, 401, headers)


def access_token(credentials: Annotated[HTTPAuthorizationCredentials | None, Depends(bearer)]) -> AccessToken:
    """Verify. No ``async def``: the first tokens wait, and FastAPI gives these functions a thread."""
    return verifier.verify(credentials.credentials if credentials else "")


@app.get("/")
def read_root(token: Annotated[AccessToken, Depends(access_token)], response: Response) -> dict[str, object]:
    """Say who asks."""
    response.headers["Worker"] = str(os.getpid())
    return about(token)


# Plain ASGI and WSGI


def answer(authorization):
    """Return status, headers and body."""
    headers = [("content-type", "application/json"), ("worker", str(os.getpid()))]
    try:
        body, status = about(verifier.verify(authorization.removeprefix("Bearer "))), 200
    except InvalidTokenError as error:
        headers.append(("www-authenticate", CHALLENGE))
        body, status = {"reason": error.reason}, 401
    return status, headers, json.dumps(body).encode()


async def asgi(scope, receive, send):
    """Answer requests."""
    if scope["type"] != "http":
        raise ValueError(scope["type"])  # the specification's way to say that there is no lifespan
    sent = dict(scope["headers"]).get(b"authorization", b"").decode("latin-1")
    status, headers, body = await asyncio.to_thread(answer, sent)
    raw = [(name.encode(), value.encode()) for name, value in headers]
    await send({"type": "http.response.start", "status": status, "headers": raw})
    await send({"type": "http.response.body", "body": body})


def wsgi(environ, start_response):
    """Answer requests."""
    status, headers, body = answer(environ.get("HTTP_AUTHORIZATION", ""))
    start_response({200: "200 OK", 401: "401 Unauthorized"}[status], headers)
    return [body]
