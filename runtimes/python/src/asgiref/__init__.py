"""The names of asgiref that consumers use."""

__version__ = "3.13.0"
