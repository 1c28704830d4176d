"""A project whose users are deleted softly."""
