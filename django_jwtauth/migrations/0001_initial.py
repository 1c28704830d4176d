import uuid

import django.db.models.deletion
from django.conf import settings
from django.db import migrations, models

import django_jwtauth.fields
import django_jwtauth.models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        migrations.swappable_dependency(settings.AUTH_USER_MODEL),
    ]

    operations = [
        migrations.CreateModel(
            name="BlacklistedToken",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                ("jti", models.CharField(max_length=255, unique=True, verbose_name="token id")),
                ("expires_at", models.DateTimeField(db_index=True, verbose_name="expires")),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("logout", "signed out"),
                            ("logout_all", "signed out everywhere"),
                            ("user", "ended by the user on another device"),
                            ("admin", "administrator"),
                            ("reused", "refresh token reuse"),
                            ("password_changed", "password changed"),
                            ("user_inactive", "user deactivated"),
                            ("user_deleted", "user deleted"),
                            ("session_limit", "too many sessions"),
                        ],
                        max_length=20,
                        verbose_name="reason",
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=255, verbose_name="note")),
                ("created_at", models.DateTimeField(db_index=True, verbose_name="revoked")),
                (
                    "user",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "blacklisted access token",
                "verbose_name_plural": "blacklisted access tokens",
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="NotBefore",
            fields=[
                ("id", models.BigAutoField(auto_created=True, primary_key=True, serialize=False, verbose_name="ID")),
                (
                    "not_before",
                    models.DateTimeField(
                        help_text="Sessions that began, and access tokens that were issued, at or before this time are refused.",
                        verbose_name="not before",
                    ),
                ),
                ("created_at", models.DateTimeField(db_index=True, verbose_name="signed out")),
                (
                    "reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("logout", "signed out"),
                            ("logout_all", "signed out everywhere"),
                            ("user", "ended by the user on another device"),
                            ("admin", "administrator"),
                            ("reused", "refresh token reuse"),
                            ("password_changed", "password changed"),
                            ("user_inactive", "user deactivated"),
                            ("user_deleted", "user deleted"),
                            ("session_limit", "too many sessions"),
                        ],
                        max_length=20,
                        verbose_name="reason",
                    ),
                ),
                ("note", models.CharField(blank=True, max_length=255, verbose_name="note")),
                (
                    "revoked_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="revoked by",
                    ),
                ),
            ],
            options={
                "verbose_name": "sign-out of everyone",
                "verbose_name_plural": "sign-outs of everyone",
                "default_permissions": ("view",),
            },
        ),
        migrations.CreateModel(
            name="RefreshToken",
            fields=[
                (
                    "id",
                    models.UUIDField(
                        default=uuid.uuid4, editable=False, primary_key=True, serialize=False, verbose_name="session id"
                    ),
                ),
                ("secret", django_jwtauth.fields.HiddenField(default=django_jwtauth.models.new_secret, serialize=False)),
                ("generation", models.PositiveIntegerField(default=0, verbose_name="generation")),
                ("rotated_at", models.DateTimeField(verbose_name="last seen")),
                (
                    "last_seen_on",
                    models.DateField(default=django_jwtauth.models.today, editable=False, verbose_name="last seen on"),
                ),
                ("unseen_since", models.DateTimeField(editable=False, null=True)),
                ("retried_generation", models.PositiveIntegerField(editable=False, null=True)),
                ("created_at", models.DateTimeField(db_index=True, verbose_name="signed in")),
                ("expires_at", models.DateTimeField(db_index=True, verbose_name="expires at the latest")),
                ("auth_hash", django_jwtauth.fields.HiddenField(serialize=False)),
                (
                    "backend",
                    models.CharField(
                        blank=True, editable=False, max_length=255, verbose_name="authentication backend"
                    ),
                ),
                ("audience", models.CharField(blank=True, max_length=255, verbose_name="audience")),
                ("scope", models.TextField(blank=True, verbose_name="scope")),
                ("auth_time", models.DateTimeField(verbose_name="authenticated")),
                ("amr", models.JSONField(blank=True, default=list, verbose_name="authentication methods")),
                ("acr", models.CharField(blank=True, max_length=255, verbose_name="authentication context")),
                ("actor", models.CharField(blank=True, max_length=255, verbose_name="actor")),
                (
                    "actor_backend",
                    models.CharField(
                        blank=True, editable=False, max_length=255, verbose_name="authentication backend of the actor"
                    ),
                ),
                (
                    "transport",
                    models.CharField(
                        choices=[("body", "request and response bodies"), ("browser", "browser cookies")],
                        default="body",
                        editable=False,
                        max_length=10,
                        verbose_name="transport",
                    ),
                ),
                (
                    "ip_address",
                    models.GenericIPAddressField(blank=True, db_index=True, null=True, verbose_name="IP address"),
                ),
                ("user_agent", models.CharField(blank=True, max_length=512, verbose_name="user agent")),
                ("replays", models.PositiveIntegerField(db_index=True, default=0, verbose_name="replays")),
                ("revoked_at", models.DateTimeField(blank=True, db_index=True, null=True, verbose_name="revoked")),
                (
                    "revoked_reason",
                    models.CharField(
                        blank=True,
                        choices=[
                            ("logout", "signed out"),
                            ("logout_all", "signed out everywhere"),
                            ("user", "ended by the user on another device"),
                            ("admin", "administrator"),
                            ("reused", "refresh token reuse"),
                            ("password_changed", "password changed"),
                            ("user_inactive", "user deactivated"),
                            ("user_deleted", "user deleted"),
                            ("session_limit", "too many sessions"),
                        ],
                        max_length=20,
                        verbose_name="reason",
                    ),
                ),
                ("revoked_note", models.CharField(blank=True, max_length=255, verbose_name="note")),
                (
                    "revoked_by",
                    models.ForeignKey(
                        blank=True,
                        null=True,
                        on_delete=django.db.models.deletion.SET_NULL,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="revoked by",
                    ),
                ),
                (
                    "user",
                    models.ForeignKey(
                        db_index=False,
                        null=True,
                        on_delete=django_jwtauth.models.REVOKE,
                        related_name="+",
                        to=settings.AUTH_USER_MODEL,
                        verbose_name="user",
                    ),
                ),
            ],
            options={
                "verbose_name": "refresh token (session)",
                "verbose_name_plural": "refresh tokens (sessions)",
                "permissions": [
                    ("revoke_refreshtoken", "Can revoke refresh tokens (sessions)"),
                    ("sign_out_user", "Can sign a user out everywhere"),
                    ("sign_out_everyone", "Can sign everyone out"),
                    ("blacklist_token", "Can blacklist access tokens"),
                    ("introspect_token", "Can introspect tokens"),
                ],
                "default_permissions": ("view",),
                "indexes": [
                    models.Index(fields=["user", "-created_at"], name="jwtauth_user_newest"),
                    models.Index(fields=["revoked_reason", "-revoked_at"], name="jwtauth_reason_newest"),
                    models.Index(fields=["actor"], name="jwtauth_actor"),
                    models.Index(fields=["-last_seen_on", "-id"], name="jwtauth_last_seen"),
                ],
            },
        ),
    ]
