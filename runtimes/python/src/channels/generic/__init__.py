"""The generic consumers of Django Channels."""
