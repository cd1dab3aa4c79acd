"""Why the host restores the state of this instance."""

from wit_world.imports import instance as host


def restore_reason():
    """Returns why state is restored, in `migrate` and `restored` before they wait: "version", "wake", "failure" or
    "hibernation". Returns None elsewhere.

    After a failure the state is that of the last checkpoint, and events since then are lost.
    """
    reason = host.get_restore_reason()
    return None if reason is None else reason.name.lower()
