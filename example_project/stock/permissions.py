"""Permissions that depend on the claims of the access token alone."""

from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

WAREHOUSE = "warehouse"


class WarehouseOrReadOnly(BasePermission):
    """Only the group "warehouse" may change anything.

    The claim comes from a hook of the orders service, ``example_project.claims``. When a user joins or leaves the
    group, their next access token shows it.
    """

    message = f"Only the group {WAREHOUSE} may do that."

    def has_permission(self, request: Request, view: APIView) -> bool:
        if request.method in SAFE_METHODS:
            return True
        groups = request.auth.claims.get("groups")
        return isinstance(groups, list) and WAREHOUSE in groups
