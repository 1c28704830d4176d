"""A user model that has nothing of Django's own: no password, no permissions, no manager of its own."""

from django.db import models


class Person(models.Model):
    name = models.CharField(max_length=50, unique=True)
    is_active = models.BooleanField(default=True)

    USERNAME_FIELD = "name"
    REQUIRED_FIELDS = ()
    is_authenticated = True
    is_anonymous = False

    def __str__(self):
        return self.name
