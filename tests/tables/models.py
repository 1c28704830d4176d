from django.contrib.auth.models import AbstractBaseUser, BaseUserManager
from django.db import models


class PersonManager(BaseUserManager):
    """Hides who was removed, and gives everybody in the class that they are."""

    def get_queryset(self):
        present = super().get_queryset().filter(is_removed=False)
        return present.select_related("customer") if self.model is Person else present

    def get(self, *args, **kwargs):
        person = super().get(*args, **kwargs)
        return getattr(person, "customer", person) if type(person) is Person else person


class Person(AbstractBaseUser):
    email = models.EmailField(unique=True)
    is_active = models.BooleanField(default=True)
    is_removed = models.BooleanField(default=False)

    objects = PersonManager()
    everybody = models.Manager()

    USERNAME_FIELD = "email"

    def has_perm(self, perm, obj=None):
        return True


class Customer(Person):
    tier = models.CharField(max_length=10)

    def get_session_auth_hash(self):
        return f"{super().get_session_auth_hash()} {self.tier}"


class Member(Person):
    """Has a key of its own, which is that of other persons."""

    number = models.AutoField(primary_key=True)
    person = models.OneToOneField(Person, models.CASCADE, parent_link=True)

    objects = PersonManager()


class NameManager(models.Manager):
    def get_by_natural_key(self, name):
        return self.get(name=name)


class Name(models.Model):
    """All that Django asks of a user model, and no ``is_active``."""

    name = models.CharField(max_length=50, unique=True)

    objects = NameManager()

    USERNAME_FIELD = "name"
    REQUIRED_FIELDS = []
    is_anonymous, is_authenticated = False, True

    def __str__(self):
        return self.name

    def get_username(self):
        return self.name

    def get_session_auth_hash(self):
        return ""


class NameBackend:
    def authenticate(self, request, name=None, password=None):
        return Name.objects.filter(name=name).first() if password == "correct horse" else None

    def get_user(self, pk):
        return Name.objects.filter(pk=pk).first()
