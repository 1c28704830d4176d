"""A project with polymorphic users, who sign in by their phone numbers."""
