from .. import host


def get(key):
    return host.config.get(key)


def get_all():
    return sorted(host.config.items())
