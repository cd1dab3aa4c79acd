"""Restores the state that another version of the plugin has saved."""

import collections
import io
import sys

from componentize_py_types import Err

from .. import connection as connections
from .. import channel_layer, failure, instance, log
from ..event_loop import LOOP, HostTimer
from ..texts import escape_surrogates
from . import anchors, names
from .pickler import make_prefix
from .saving import SCHEMA
from .unpickler import StateError, StateUnpickler, find_in_plugin

#: When the events that waited before a move are handled, in milliseconds after it.
_EVENTS_DELAY = 1


def load_module(saved):
    """Restores globals and the attributes of consumers. Raises Err with a text."""
    try:
        _load(saved)
    except BaseException as error:
        raise Err(_describe(error)) from None
    finally:
        log.flush()


def restore_consumer(handle, saved):
    """Restores the consumer of a connection. Raises Err with a text."""
    name = handle.channel_name()
    try:
        if saved is not None:
            _load(saved)
        connection = instance.consumers.get(name)
        if connection is None or connection.extra is None:
            raise StateError("neither the state of the module nor a snapshot has this consumer")
        if "unsaved" in connection.extra:
            raise StateError(f"the version before could not save it: {connection.extra['unsaved']}")
        connection.host = handle
        _start(connection)
        return connection
    except BaseException as error:
        instance.consumers.pop(name, None)
        raise Err(_describe(error)) from None
    finally:
        log.flush()


def _describe(error):
    if isinstance(error, StateError):
        return escape_surrogates(str(error))
    failure.report(error)
    return failure.describe(error)


def _load(saved):
    if saved.schema != SCHEMA:
        raise StateError(f"the state has the form {saved.schema}, and this runtime reads the form {SCHEMA}")
    header, raw = StateUnpickler(io.BytesIO(saved.state)).load()
    forms, copies, referenced, saved_names, added = header
    added = {(module, tuple(path)) for module, path in added}
    targets = [_find_target(form, copy) for form, copy in zip(forms, copies, strict=True)]
    consumers = [_find_or_create(name) for name in referenced]
    graph = _read_graph(raw, [*targets, *(each.user for each in consumers)], forms, copies)
    contents, atoms, wholes, dictionaries, extras = graph
    _put_contents(forms, targets, contents, added)
    for module, path, value in atoms:
        _bind(module, tuple(path), value, added)
    for value_names, value in wholes:
        for module, path in value_names:
            _bind(module, tuple(path), value, added)
    for name, attributes in zip(saved_names, dictionaries, strict=True):
        _set_attributes(instance.consumers[name], attributes, extras.get(name, {}))


def _read_graph(raw, objects, forms, copies):
    unpickler = StateUnpickler(io.BytesIO(make_prefix(len(objects)) + raw))
    missing = [index for index, value in enumerate(objects) if value is _MISSING]

    def load_reference(index):
        return objects[index]

    unpickler.persistent_load = load_reference
    unpickler.load()
    graph = unpickler.load()
    if missing and _contains_missing(graph):
        described = ", ".join(names.text_of(*forms[index][0][0]) for index in missing[:3])
        raise StateError(f"the state refers to an object that this version lacks: {described}")
    return graph


class _Missing:
    """Stands for an object that this version lacks."""

    __slots__ = ()


_MISSING = _Missing()


def _contains_missing(graph):
    """Says whether a graph refers to the placeholder, by looking for its identity in what the graph refers to."""
    seen, pending = set(), [graph]
    while pending:
        value = pending.pop()
        if value is _MISSING:
            return True
        if id(value) in seen or names.is_atom(value) or names.is_code(value):
            continue
        seen.add(id(value))
        if isinstance(value, dict):
            pending.extend(value.keys())
            pending.extend(value.values())
        elif isinstance(value, (list, tuple, set, frozenset, collections.deque)):
            pending.extend(value)
        elif isinstance(getattr(value, "__dict__", None), dict):
            pending.extend(vars(value).values())
    return False


def _find_target(form, copy):
    """Returns the object of this version that an anchor stands for."""
    value_names, steps, kind, type_name = form
    for module, path in value_names:
        holder = names.find_holder(module, path)
        value = vars(holder).get(path[-1], _MISSING) if holder is not None else _MISSING
        if value is not _MISSING and steps:
            value = anchors.follow(value, steps)
        if value is not _MISSING and _has_type(value, type_name):
            return value
    if kind is not None:
        return _create(kind, type_name)
    return StateUnpickler(io.BytesIO(copy)).load() if copy is not None else _MISSING


def _has_type(value, type_name):
    if names.type_name(value) == tuple(type_name):
        return True
    try:
        return type(value) is find_in_plugin(*type_name)
    except StateError:
        return False


def _create(kind, type_name):
    if kind == "instance":
        made = find_in_plugin(*type_name)
        return made.__new__(made)
    return _CONTAINERS[tuple(type_name)]()


_CONTAINERS = {
    ("builtins", "list"): list,
    ("builtins", "dict"): dict,
    ("builtins", "set"): set,
    ("collections", "deque"): collections.deque,
    ("collections", "defaultdict"): collections.defaultdict,
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("collections", "Counter"): collections.Counter,
}


def _put_contents(forms, targets, contents, added):
    contents = iter(contents)
    for (value_names, _, kind, _), target in zip(forms, targets, strict=True):
        if kind is None:
            continue
        content = next(contents)
        anchors.fill(target, kind, content)
        for module, path in value_names:
            _bind(module, tuple(path), target, added)


def _bind(module, path, value, added):
    """Binds a name. A name that running code has added is new here.

    A name is left out if this version has removed it, or made it a function or a class.
    """
    holder = names.find_holder(module, path)
    old = _MISSING if holder is None else vars(holder).get(path[-1], _MISSING)
    is_removed = holder is None or (old is _MISSING and (module, path) not in added)
    if is_removed or (old is not _MISSING and names.is_code(old)):
        log.write(
            log.Level.INFO,
            "state",
            f"this version has no {names.text_of(module, path)} with state: its value is dropped",
        )
        return
    if old is not value:
        setattr(holder, path[-1], value)


def _find_or_create(name):
    """Returns the connection with this name. Its consumer has the attributes that `__init__` sets."""
    connection = instance.consumers.get(name)
    if connection is None:
        connection = instance.connection_class(name, None)
        connection.phase = connections.OPEN
        connections.create_consumer(connection, run_init=True)
        instance.consumers[name] = connection
    return connection


def _set_attributes(connection, attributes, extra):
    """Sets the attributes of a consumer, which its method `migrate` may change before."""
    user = connection.user
    connection.extra = extra
    if "unsaved" in extra:
        return
    if attributes.get("groups") == [] and getattr(type(user), "groups", None) is not None:
        del attributes["groups"]
    migrate = getattr(user, "migrate", None)
    if migrate is not None:
        migrated = migrate(attributes)
        attributes = attributes if migrated is None else migrated
    user.__dict__.update(attributes)


def _join_groups(connection):
    """Joins the groups of the class again, so that a group which is new in this version is joined."""
    for group in getattr(type(connection.user), "groups", None) or ():
        channel_layer.group_add(group, connection.name)


def _start(connection):
    """Continues a consumer whose connection is there."""
    extra, connection.extra = connection.extra, None
    phase = extra.get("phase", connections.OPEN)
    connection.phase = sys.intern(phase)
    connection.replaced = extra.get("replaced")
    for key, value in extra.get("scope", {}).items():
        connection.get_scope()[key] = value
    if extra.get("events"):
        connection.events = collections.deque(extra["events"])
        timer = HostTimer(0, connection.start_waiting_events, (), LOOP, None)
        timer.owner = connection
        connection.arm_timer(timer, _EVENTS_DELAY)
    _join_groups(connection)
    restored = getattr(connection.user, "restored", None)
    if restored is not None:
        connection.run_restored(restored)
