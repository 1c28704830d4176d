"""The page on deployment: its settings and its commands, in a new project with PostgreSQL, Redis and four workers."""

import os
import re
import signal
import subprocess
import sys
import threading
import time

import httpx
import psycopg
import pytest
from django.db import connections

from tests.tools.demo import free_port
from tests.tools.docs import FENCE, page
from tests.tools.processes import ROOT

PAGE = page("docs/howto-deploy.md")
NAME = "jwtauth_deployment"
PATIENCE = 120
OURS = ("DJANGO_", "COVERAGE_", "JWTAUTH_")
HOST = "auth.example.com"
LOGIN_RATE = 10  # failures per minute, for one name and address


@pytest.fixture
def deployed(tmp_path):
    """The project of the page, with the user ada: runs a command of the page in it."""
    database = connections["default"].settings_dict
    reach = {"host": database["HOST"], "port": database["PORT"], "user": database["USER"]}
    server = psycopg.connect(dbname="postgres", password=database["PASSWORD"], autocommit=True, **reach)
    server.execute(f"DROP DATABASE IF EXISTS {NAME}")
    server.execute(f"CREATE DATABASE {NAME}")
    redis, _, _ = os.environ.get("JWTAUTH_TEST_REDIS", "redis://127.0.0.1:6379/15").rpartition("/")
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith(OURS)},
        "PATH": os.pathsep.join([os.path.dirname(sys.executable), os.environ["PATH"]]),
        "PYTHONPATH": str(ROOT),
        "PGDATABASE": NAME,
        "PGHOST": database["HOST"],
        "PGPORT": str(database["PORT"]),
        "PGUSER": database["USER"],
        "PGPASSWORD": database["PASSWORD"],
        "REDIS_URL": f"{redis}/14",
        "DJANGO_SUPERUSER_PASSWORD": "correct horse",
    }
    (generate_secret,) = re.findall(r"^python -c .*$", PAGE, re.MULTILINE)

    def run(command, **more):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=tmp_path,
            env={**environment, **more},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        return done.stdout.strip()

    run("django-admin startproject project .")
    quickstart = FENCE.findall(page("docs/quickstart.md"))
    for file, word in (("settings", "INSTALLED_APPS"), ("urls", '"api/auth/"')):
        (block,) = [block for block in quickstart if word in block]
        with (tmp_path / "project" / f"{file}.py").open("a") as opened:
            opened.write(block)
    with (tmp_path / "project" / "urls.py").open("a") as opened:
        opened.write('\nurlpatterns += [path("", include("django_jwtauth.urls_well_known"))]\n')
    (production,) = [block for block in FENCE.findall(PAGE) if "DATABASES" in block]
    (tmp_path / "project" / "production.py").write_text(production)
    run(the_command("jwtauth_generate_key"))
    environment |= {
        "SECRET_KEY": run(generate_secret),
        "SIGNING_KEY_FILE": str(tmp_path / "signing.pem"),
        "DJANGO_SETTINGS_MODULE": "project.production",
    }
    run.environment, run.path = environment, tmp_path
    yield run
    server.execute(f"DROP DATABASE {NAME} WITH (FORCE)")
    server.close()


def the_command(word):
    """Return the line of the page that begins with a program, and has a word in it."""
    (found,) = {line for line in re.findall(r"^(?:python|gunicorn) .*$", PAGE, re.MULTILINE) if word in line}
    return found


@pytest.fixture
def api(deployed):
    """A client of the deployed project, as its proxy asks it."""
    deployed(the_command("check --deploy"))
    deployed(the_command(" migrate"))
    deployed("python manage.py createsuperuser --no-input --username ada --email ada@example.com")
    port = free_port()
    command = the_command("gunicorn project.wsgi").replace("8000", str(port))
    log = deployed.path / "gunicorn.log"
    with log.open("w") as output:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command} --no-control-socket"],
            cwd=deployed.path,
            env=deployed.environment,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    timer = threading.Timer(PATIENCE, lambda: os.killpg(process.pid, signal.SIGKILL))
    timer.start()
    try:
        while log.read_text().count("Booting worker") < 4:
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        headers = {"Host": HOST, "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1, 198.51.100.7"}
        limits = httpx.Limits(max_keepalive_connections=0)  # so that any worker may answer
        with httpx.Client(
            base_url=f"http://127.0.0.1:{port}", headers=headers, limits=limits, trust_env=False, timeout=60
        ) as client:
            yield client
        process.terminate()
        assert process.wait(timeout=PATIENCE) == 0, log.read_text()
    finally:
        timer.cancel()
        process.kill()
        process.wait()


def sign_in(api, password="correct horse", username="ada"):
    return api.post("/api/auth/token/", json={"username": username, "password": password})


def test_four_workers_are_one_issuer(deployed, api):
    pair = sign_in(api).json()
    for _ in range(12):
        pair = api.post("/api/auth/token/refresh/", json={"refresh": pair["refresh"]}).json()
        bearer = {"Authorization": f"Bearer {pair['access']}"}
        (session,) = api.get("/api/auth/sessions/", headers=bearer).json()["results"]
        assert session["ip_address"] == "198.51.100.7"
    metadata = api.get("/.well-known/oauth-authorization-server").json()
    assert metadata["issuer"] == f"https://{HOST}"
    assert api.post("/api/auth/logout/", headers=bearer).status_code == 204
    assert {api.get("/api/auth/sessions/", headers=bearer).status_code for _ in range(12)} == {401}
    # All workers count together. A minute may turn meanwhile, but each for itself they would let 40 pass.
    name = f"nobody-{os.urandom(4).hex()}"
    statuses = [sign_in(api, "wrong", name).status_code for _ in range(2 * LOGIN_RATE + 1)]
    assert set(statuses) == {401, 429}
    assert statuses[:LOGIN_RATE] == [401] * LOGIN_RATE
    deployed(the_command("jwtauth_purge"))
    (service,) = re.findall(r"^ExecStart=\S+/bin/(.*)$", PAGE, re.MULTILINE)
    assert service == the_command("gunicorn project.wsgi")
