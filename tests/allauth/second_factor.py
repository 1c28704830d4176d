from allauth.account.models import EmailAddress
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm
from django.contrib.auth import get_user_model
from django.core import signing
from django.utils.crypto import constant_time_compare, salted_hmac
from rest_framework import serializers

from django_jwtauth.browser_views import BrowserLoginView
from django_jwtauth.errors import InvalidTokenError
from django_jwtauth.serializers import ScopeAndResourceSerializer
from django_jwtauth.throttling import CountingThrottle
from django_jwtauth.views import TokenView

SALT = "project.second_factor"
SECONDS = 300


def challenge(user, *, request):
    """Decide whether the password is enough. This is the function in JWTAUTH["SIGN_IN_CHALLENGE"]."""
    if not EmailAddress.objects.filter(user=user, verified=True).exists():
        return {"reason": "unverified_address"}
    if get_adapter().is_mfa_enabled(user):
        proof = {"pk": str(user.pk), "hash": digest(user), "backend": user.backend}
        return {"reason": "second_factor", "challenge": signing.dumps(proof, salt=SALT)}
    return None


def digest(user):
    # Changes with the password, so a challenge does not outlive it.
    return salted_hmac(SALT, user.get_session_auth_hash(), algorithm="sha256").hexdigest()


def read(raw):
    """Return the proof that the password was right, or None if it is not ours or too old."""
    try:
        return signing.loads(raw, salt=SALT, max_age=SECONDS)
    except signing.BadSignature:
        return None


class SecondFactorThrottle(CountingThrottle):
    """Counts wrong codes per user, however many challenges are asked for."""

    def identities(self, request):
        proof = read(str(request.data.get("challenge"))) if request.method == "POST" else None
        if proof is not None:
            yield "login", f"second-factor {proof['pk']}"
            yield "login_username", f"second-factor {proof['pk']}"


class SecondFactorSerializer(ScopeAndResourceSerializer):
    challenge = serializers.CharField(write_only=True, max_length=1024)
    code = serializers.CharField(write_only=True, max_length=64)


class SecondFactor:
    """Finishes a sign-in: takes the challenge, and a code of the user's app or a recovery code."""

    serializer_class = SecondFactorSerializer
    throttle_classes = [SecondFactorThrottle]
    amr = ["pwd", "otp"]
    acr = "two-factor"

    def authenticate_user(self, request, credentials):
        proof = read(credentials["challenge"])
        user = proof and get_user_model().objects.filter(pk=proof["pk"], is_active=True).first()
        if not user or not constant_time_compare(proof["hash"], digest(user)):
            raise InvalidTokenError("challenge_expired", "challenge_required", "Enter your password again.")
        form = AuthenticateForm({"code": credentials["code"]}, user=user)
        if not form.is_valid():  # a wrong code, one that was used before, or too many of them
            raise InvalidTokenError("wrong_code", "challenge_required", "This code is not valid.")
        form.authenticator.record_usage()
        user.backend = proof["backend"]
        return user

    def get_challenge(self, request, user):
        return None  # it has just been met


class SecondFactorTokenView(SecondFactor, TokenView):
    pass


class BrowserSecondFactorView(SecondFactor, BrowserLoginView):
    pass
