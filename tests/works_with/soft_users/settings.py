from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "safedelete", "tests.works_with.soft_users"]
AUTH_USER_MODEL = "soft_users.Person"
ROOT_URLCONF = "tests.customusers.urls"
MIGRATION_MODULES = dict.fromkeys((name.rpartition(".")[2] for name in INSTALLED_APPS), None)
