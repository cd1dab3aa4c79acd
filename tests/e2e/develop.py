"""`narrowboat dev` in tests."""

import re

from support import BUILD_DEADLINE, Host, eventually


class Dev(Host):
    """`narrowboat dev`, whose first build may be waited for later."""

    verb = "dev"

    def started(self):
        """Returns at once. The test waits for the event that it needs."""

    def serves(self):
        """Waits until the host listens."""
        super().started()
        return self

    def says(self, pattern, since=0):
        """Waits for a match on standard output after a number of characters."""
        find = lambda: re.search(pattern, self.stdout()[since:])
        return eventually(find, f"{pattern!r} on standard output", BUILD_DEADLINE)

    def complains(self, pattern):
        """Waits for a match on standard error, which has cargo's lines too."""
        find = lambda: re.search(pattern, self.log())
        return eventually(find, f"{pattern!r} on standard error", BUILD_DEADLINE)
