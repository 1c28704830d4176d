"""The tenants: schemas of django-tenants with its settings, and databases in files with those of all other tests."""

import shutil

import pytest
from django.contrib.auth import get_user_model
from django.db import connections
from django.test.utils import setup_databases, teardown_databases

from tests.tools.processes import run_script
from tests.tools.tenants import ACME, GLOBEX, WITH_SCHEMAS, World, use_alias

TOOLS = "tests.tools.tenants"
BY_ALIAS = {"TENANT": f"{TOOLS}.name_alias", "TENANT_CONTEXT": f"{TOOLS}.use_alias"}
BY_SCHEMA = {
    "TENANT": "django_jwtauth.tenants.schema_name",
    "TENANT_CONTEXT": "django_tenants.utils.schema_context",
}
collect_ignore = ["test_aliases.py" if WITH_SCHEMAS else "test_django_tenants.py"]
MAKE_TEMPLATE = """
import os
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
import django
from django.conf import settings
settings.DATABASES = {{"default": {{}}, "template": {{"ENGINE": "django.db.backends.sqlite3", "NAME": {name!r}}}}}
settings.DATABASE_ROUTERS = [{router!r}]
settings.JWTAUTH = {jwtauth!r}
django.setup()
from django.contrib.auth import get_user_model
from django.core.management import call_command
from tests.tools.tenants import use_alias
call_command("migrate", database="template", verbosity=0)
with use_alias("template"):
    get_user_model().objects.create_user("ada", "ada@example.com", "correct horse", id=1)
"""


if WITH_SCHEMAS:

    @pytest.fixture(scope="session")
    def django_db_setup(django_test_environment, django_db_blocker):
        from django_tenants.utils import get_tenant_model

        with django_db_blocker.unblock():
            made = setup_databases(0, interactive=False, aliases={"default"})
            for name in (ACME, GLOBEX):
                tenant = get_tenant_model().objects.create(schema_name=name, name=name)
                tenant.domains.create(domain=f"{name}.example.com")
        yield
        with django_db_blocker.unblock():
            teardown_databases(made, 0)

    @pytest.fixture
    def world(django_db_setup, django_db_blocker, settings):
        """Everything is committed, for threads to see it."""
        from django_tenants.utils import schema_context

        settings.JWTAUTH = BY_SCHEMA
        with django_db_blocker.unblock():
            for name in (ACME, GLOBEX):
                with schema_context(name):
                    get_user_model().objects.create_user("ada", "ada@example.com", "correct horse", id=1)
            yield World(schema_context, BY_SCHEMA)
            for name in (ACME, GLOBEX):
                with schema_context(name), connections["default"].cursor() as cursor:
                    cursor.execute("TRUNCATE auth_user, django_jwtauth_notbefore CASCADE")  # and what refers to users

else:

    @pytest.fixture(scope="session")
    def template(tmp_path_factory):
        """A database with our tables and a user, for tests to copy. It is made as on a command line, without a tenant.

        In a process of its own, since some tests add models to this one, for which there are no migrations.
        """
        path = tmp_path_factory.mktemp("tenants") / "template.sqlite3"
        run_script(MAKE_TEMPLATE.format(name=str(path), jwtauth=BY_ALIAS, router=f"{TOOLS}.AliasRouter"))
        return path

    @pytest.fixture
    def world(template, tmp_path, settings, django_db_blocker):
        settings.DATABASE_ROUTERS = [f"{TOOLS}.AliasRouter"]
        settings.MIDDLEWARE = [f"{TOOLS}.AliasMiddleware", *settings.MIDDLEWARE]
        settings.ROOT_URLCONF = "tests.tenants.urls"
        settings.JWTAUTH = BY_ALIAS
        with django_db_blocker.unblock():
            for name in (ACME, GLOBEX):
                add_alias(name, shutil.copy(template, tmp_path / f"{name}.sqlite3"))
            yield World(use_alias, BY_ALIAS)
            for name in (ACME, GLOBEX):
                remove_alias(name)

    def add_alias(name, path):
        """Give the project another database."""
        database = {"ENGINE": "django.db.backends.sqlite3", "NAME": path}
        connections.settings[name] = connections.configure_settings({"default": {}, name: database})[name]

    def remove_alias(name):
        connections[name].close()
        del connections[name]
        del connections.settings[name]
