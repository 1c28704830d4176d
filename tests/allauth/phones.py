"""An adapter of a project that asks for phone numbers."""

from allauth.account.adapter import DefaultAccountAdapter
from django.conf import settings


class PhoneAdapter(DefaultAccountAdapter):
    def get_phone(self, user):
        return settings.TESTS_PHONE
