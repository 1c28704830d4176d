"""A project whose users have a UUID and an e-mail address."""
