"""The project under load, on databases of the tests' own."""

import os

if os.environ["DJANGO_SETTINGS_MODULE"] != "tests.load.settings":
    collect_ignore_glob = ["test_load.py"]  # it needs the programs of the servers
