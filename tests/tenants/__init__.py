"""Sessions of several tenants: with a schema for each (django-tenants), and with a database for each."""
