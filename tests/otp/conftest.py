"""These tests need django-otp and django-two-factor-auth, and settings of their own."""

import os

if os.environ["DJANGO_SETTINGS_MODULE"] != "tests.otp.settings":
    collect_ignore_glob = ["test_*.py"]
