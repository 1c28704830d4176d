"""Settings of a second service: no database, no users, no app of ours; two settings say whom to trust."""

from tests.servers.config import change_times, jwtauth

change_times()

SECRET_KEY = "another-secret-key-which-the-issuer-does-not-know"
ALLOWED_HOSTS = ["127.0.0.1"]
ROOT_URLCONF = "tests.servers.stock"
MIDDLEWARE = ["tests.servers.stock.name_worker"]
REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": ["django_jwtauth.authentication.StatelessJWTAuthentication"],
    "DEFAULT_PERMISSION_CLASSES": ["rest_framework.permissions.IsAuthenticated"],
    "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    "UNAUTHENTICATED_USER": None,
}
JWTAUTH = jwtauth()
