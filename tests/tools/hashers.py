"""Ways to hash a password that take no time."""

from django.contrib.auth.hashers import ScryptPasswordHasher


class QuickScryptPasswordHasher(ScryptPasswordHasher):
    work_factor = 2**4
