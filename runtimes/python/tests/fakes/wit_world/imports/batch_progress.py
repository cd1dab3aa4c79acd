from .. import host


def end_event(ended):
    host.ended.append(ended)
    return len(host.ended) < host.batch_length
