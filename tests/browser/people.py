"""Fill the example's database: people with their devices, of every status and of some age.

``python -m tests.browser.people GROUP …``, in the environment of the example.
"""

import sys
from dataclasses import dataclass
from datetime import timedelta

import django

WINDOWS = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0"
EDGE = f"{WINDOWS} Safari/537.36 Edg/141.0.0.0"
CHROME = f"{WINDOWS} Safari/537.36"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
MAC = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.5 Safari/605"
IPHONE = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Safari/604.1"
ANDROID = "Mozilla/5.0 (Linux; Android 15; Pixel 9) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/141.0.0.0 Mobile"
SCRIPT = "orders-sync/2.4"

HOSTILE = (
    "<script>document.hacked=1</script><img src=x onerror=document.hacked=2>"
    "\"'><svg onload=document.hacked=3></td></table><b class=hacked>"
)
"""Name and device of somebody who means harm."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Past:
    """A session; times are hours before now."""

    user: str
    device: str
    address: str
    began: float
    refreshed: float
    generation: int = 0
    replays: int = 0
    amr: tuple[str, ...] = ("pwd",)
    ended: float | None = None
    reason: str = "admin"
    note: str = ""
    by: str | None = None


# From the office, from home, and from elsewhere.
OFFICE, HOME, V6 = "203.0.113.24", "198.51.100.7", "2001:db8:1::77"
PASTS = [
    Past(user="grace", device=FIREFOX, address=OFFICE, began=2200, refreshed=700, generation=212),
    Past(user="barbara", device=ANDROID, address="2001:db8:4::19", began=900, refreshed=400, generation=41),
    Past(user="grace", device=EDGE, address=OFFICE, began=330, refreshed=60, ended=50, reason="password_changed"),
    Past(user="alan", device=SCRIPT, address=HOME, began=300, refreshed=0.4, generation=870, replays=7),
    Past(user="edsger", device=MAC, address="192.0.2.81", began=170, refreshed=30, ended=29, reason="reused"),
    Past(user="radia", device=CHROME, address=OFFICE, began=150, refreshed=149, ended=148.5, reason="logout"),
    Past(
        user="grace",
        device=CHROME,
        address="192.0.2.14",
        began=122,
        refreshed=98,
        generation=6,
        ended=97,
        note="laptop left on the train",
        by="admin",
    ),
    Past(user="radia", device=IPHONE, address="2001:db8:7::2", began=75, refreshed=2, generation=64),
    Past(user="donald", device=EDGE, address="203.0.113.90", began=52, refreshed=4, generation=17),
    Past(user="barbara", device=MAC, address="192.0.2.44", began=31, refreshed=1.1, generation=22),
    Past(
        user="grace",
        device=MAC,
        address=OFFICE,
        began=26,
        refreshed=0.2,
        generation=48,
        replays=2,
        amr=("pwd", "otp"),
    ),
    Past(user="alan", device=IPHONE, address=HOME, began=9, refreshed=0.7, generation=11),
    Past(user="edsger", device=MAC, address="192.0.2.81", began=5, refreshed=0.1, generation=7),
    Past(user="grace", device=IPHONE, address=V6, began=3, refreshed=0.5, generation=4),
]
AFTERWARDS = {"donald": {"is_active": False}}
"""What became of users, past ``save()``: their sessions have not been revoked."""
GROUPS = {
    "usual": PASTS,
    "hostile": [Past(user=HOSTILE, device=HOSTILE, address="203.0.113.66", began=1, refreshed=0.5, replays=9)],
}


def main(*groups):
    from django.contrib.auth.models import User  # possible from here on

    for past in (past for group in groups for past in GROUPS[group]):
        _live_through(past)
    for name, fields in AFTERWARDS.items():
        User.objects.filter(username=name).update(**fields)


def _live_through(past):
    from django.contrib.auth.models import User
    from django.test import RequestFactory
    from django.utils import timezone

    from django_jwtauth import sessions
    from django_jwtauth.models import RefreshToken

    now = timezone.now()
    user, _ = User.objects.get_or_create(username=past.user, defaults={"email": f"{past.user[:20]}@example.com"})
    request = RequestFactory().post("/", headers={"user-agent": past.device}, REMOTE_ADDR=past.address)
    session = sessions.start(user, request=request, amr=past.amr).session
    began, refreshed = (now - timedelta(hours=hours) for hours in (past.began, past.refreshed))
    times = {
        "created_at": began,
        "auth_time": began,
        "expires_at": began + (session.expires_at - session.created_at),
        "rotated_at": refreshed,
        "last_seen_on": refreshed.date(),
    }
    row = RefreshToken.objects.filter(pk=session.pk)
    row.update(**times, generation=past.generation, replays=past.replays)
    if past.ended is not None:
        by = past.by and User.objects.get(username=past.by)
        sessions.revoke(session, reason=past.reason, note=past.note, by=by)
        row.update(revoked_at=now - timedelta(hours=past.ended))


if __name__ == "__main__":
    django.setup()
    main(*sys.argv[1:])
