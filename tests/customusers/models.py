"""Users who sign in by e-mail.

The first import is the point: REST framework imports its default authentication classes, which are ours, while the
apps are still being loaded and before there is a user model.
"""

import uuid

import rest_framework.views  # noqa: F401
from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models


class PersonManager(BaseUserManager):
    def create_user(self, email, password=None):
        person = self.model(email=self.normalize_email(email))
        person.set_password(password)
        person.save(using=self._db)
        return person


class Person(AbstractBaseUser):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.EmailField(unique=True)
    is_active = models.BooleanField(default=True)

    objects = PersonManager()

    USERNAME_FIELD = "email"

    def __str__(self):
        return self.email

    # What the admin asks of a user without Django's permissions.

    def has_perm(self, perm, obj=None):
        return self.email.endswith("@ops.example")

    def has_module_perms(self, app_label):
        return self.has_perm(app_label)
