"""Django's functions for databases. A plugin has no database, so they only run the function."""

from asgiref.sync import SyncToAsync


class DatabaseSyncToAsync(SyncToAsync):
    """Makes a function awaitable. It runs in the same step."""


database_sync_to_async = DatabaseSyncToAsync


async def aclose_old_connections():
    """Does nothing, because there are no connections to a database."""
