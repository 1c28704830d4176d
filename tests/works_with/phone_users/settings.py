from tests.settings import *  # noqa: F403
from tests.settings import INSTALLED_APPS

INSTALLED_APPS = [*INSTALLED_APPS, "polymorphic", "phonenumber_field", "tests.works_with.phone_users"]
AUTH_USER_MODEL = "phone_users.Person"
ROOT_URLCONF = "tests.customusers.urls"
MIGRATION_MODULES = dict.fromkeys((name.rpartition(".")[2] for name in INSTALLED_APPS), None)
