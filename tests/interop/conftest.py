"""Other people's verifiers: they need packages that only the environment ``interop`` installs."""

import os

if os.environ["DJANGO_SETTINGS_MODULE"] != "tests.interop.settings":
    collect_ignore_glob = ["test_*.py"]
