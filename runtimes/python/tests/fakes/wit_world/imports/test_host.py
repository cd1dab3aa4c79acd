from componentize_py_types import Err

from .. import host


def call(request):
    from narrowboat_runtime.message_pack import packb, unpackb

    if host.answer is None:
        raise Err("there is no test")
    try:
        return packb({"ok": host.answer(unpackb(request))})
    except LookupError as error:
        return packb({"error": error.args[0]})
