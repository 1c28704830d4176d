"""All endpoints except sign-in by password: ``path("api/auth/", include("django_jwtauth.urls_without_sign_in"))``.

For projects in which another package signs users in, and ``sessions.start()`` is called afterwards.
"""

from django.urls import path

from . import browser_views, views

app_name = "jwtauth"

urlpatterns = [
    path("token/refresh/", views.TokenRefreshView.as_view(), name="token-refresh"),
    path("token/verify/", views.TokenVerifyView.as_view(), name="token-verify"),
    path("token/blacklist/", views.TokenBlacklistView.as_view(), name="token-blacklist"),
    path("token/revoke/", views.TokenRevokeView.as_view(), name="token-revoke"),
    path("token/introspect/", views.TokenIntrospectView.as_view(), name="token-introspect"),
    path("logout/", views.LogoutView.as_view(), name="logout"),
    path("logout/all/", views.LogoutAllView.as_view(), name="logout-all"),
    path("sessions/", views.SessionListView.as_view(), name="session-list"),
    path("sessions/<uuid:pk>/", views.SessionDetailView.as_view(), name="session-detail"),
    path("browser/csrf/", browser_views.BrowserCSRFView.as_view(), name="browser-csrf"),
    path("browser/refresh/", browser_views.BrowserRefreshView.as_view(), name="browser-refresh"),
    path("browser/logout/", browser_views.BrowserLogoutView.as_view(), name="browser-logout"),
]
