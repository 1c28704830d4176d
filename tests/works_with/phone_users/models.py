from django.contrib.auth.models import AbstractBaseUser, BaseUserManager, PermissionsMixin
from django.db import models
from phonenumber_field.modelfields import PhoneNumberField
from polymorphic.managers import PolymorphicManager
from polymorphic.models import PolymorphicModel


class PersonManager(PolymorphicManager, BaseUserManager):
    pass


class Person(PolymorphicModel, AbstractBaseUser, PermissionsMixin):
    phone = PhoneNumberField(unique=True)
    is_active = models.BooleanField(default=True)

    objects = PersonManager()

    USERNAME_FIELD = "phone"

    def __str__(self):
        return str(self.phone)


class Employee(Person):
    department = models.CharField(max_length=50)
