class OurTablesAndUsers:
    """A database router: sessions, and the users they belong to, live on the second database."""

    labels = frozenset(["auth", "contenttypes", "django_jwtauth"])

    def db_for_read(self, model, **hints):
        return "other" if model._meta.app_label in self.labels else None

    db_for_write = db_for_read
