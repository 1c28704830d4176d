from django.contrib.auth.models import AbstractUser, UserManager
from safedelete.managers import SafeDeleteManager
from safedelete.models import SafeDeleteModel


class PersonManager(SafeDeleteManager, UserManager):
    pass


class Person(SafeDeleteModel, AbstractUser):
    objects = PersonManager()
