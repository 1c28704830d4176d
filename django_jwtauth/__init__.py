"""JSON Web Tokens for Django REST framework: stateless on each request, revocable at once."""

__version__ = "0.1.0"
