"""The users of the demo. Their passwords are public, so these users exist in the demo only."""

from dataclasses import dataclass

from django.contrib.auth.models import Group, User


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """A user who can sign in."""

    username: str
    password: str
    is_superuser: bool = False
    groups: tuple[str, ...] = ()


ADA = Account(username="ada", password="analytical-engine", groups=("customers",))  # noqa: S106
MARY = Account(username="mary", password="celestial-mechanism", groups=("warehouse",))  # noqa: S106
ADMIN = Account(username="admin", password="difference-engine", is_superuser=True)  # noqa: S106
ACCOUNTS = (ADA, MARY, ADMIN)


def ensure(account: Account) -> None:
    """Create the user, or restore it to the account. If nothing has changed, no session ends."""
    user, _ = User.objects.get_or_create(username=account.username)
    if not user.check_password(account.password):
        user.set_password(account.password)
    user.is_active = True
    user.is_staff = user.is_superuser = account.is_superuser
    user.save()
    user.groups.set([Group.objects.get_or_create(name=name)[0] for name in account.groups])
