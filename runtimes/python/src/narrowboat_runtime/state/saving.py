"""Saves the state of a plugin: the changed globals and the attributes of all consumers, as one graph of objects."""

import pickle
import types

from componentize_py_types import Err
from wit_world.exports.websocket import (
    ConsumerState_Busy,
    ConsumerState_Saved,
    ModuleState_Busy,
    ModuleState_None_,
    ModuleState_WithConsumers,
)
from wit_world.imports.narrowboat_consumer_types import Saved, SaveMode

from .. import cancelled_code, connection_code, failure, instance, log
from ..outgoing import OPEN
from ..texts import escape_surrogates
from . import anchors, names
from .pickler import PROTOCOL, StatePickler, UnsavableError, raise_unsavable

#: The function as it was before a plugin could replace it.
_dumps = pickle.dumps

#: The number of the form of a snapshot.
SCHEMA = 1


def save_module(mode):
    """Saves the module and its consumers. Raises Err with a text."""
    connections = list(instance.consumers.values())
    if not _may_save(connections, mode):
        return ModuleState_Busy()
    table = anchors.NameTable(with_content=True)
    has_state = table.atoms or table.wholes or any(anchor.form for anchor in table.anchors)
    if not has_state and not connections:
        return ModuleState_None_()
    try:
        saved = _save(table, connections, connections)
    except Err:
        # A consumer that cannot be saved does not keep the others from moving. A trial wants to know of it.
        unsaved = None if mode is SaveMode.TRIAL else _find_unsaved(table, connections)
        if not unsaved:
            raise
        saved = _save(table, connections, connections, unsaved)
    return ModuleState_WithConsumers(saved)


def save_consumer(connection, mode):
    """Saves one consumer. Raises Err with a text."""
    if not _may_save([connection], mode):
        return ConsumerState_Busy()
    table = anchors.NameTable(with_content=False)
    return ConsumerState_Saved(_save(table, [connection], list(instance.consumers.values())))


def _may_save(connections, mode):
    """Cancels the code that waits if it has to. Returns False if the host has to ask again."""
    if mode is SaveMode.TRIAL:
        return True
    waiting = [connection for connection in connections if connection_code.is_waiting(connection)]
    if waiting and mode is SaveMode.MOVE:
        return False
    if waiting:
        cancelled_code.report(waiting)
        for connection in waiting:
            connection_code.cancel(connection)
        log.flush()
    return True


def _find_unsaved(table, connections):
    """Returns why consumers cannot be saved, by their names."""
    pickler = _make_pickler(table, connections)
    unsaved = {}
    for each in connections:
        error = pickler.can_dump(_state_of(each))
        if error is not None:
            unsaved[each.name] = escape_surrogates(_explain(pickler, _parts_of(each), error))
    return unsaved


def _make_pickler(table, referenced):
    return StatePickler([*(anchor.value for anchor in table.anchors), *(each.user for each in referenced)])


def _state_of(connection):
    return connection.user.__dict__, _extra_of(connection)


def _save(table, saved, referenced, unsaved=types.MappingProxyType({})):
    pickler = _make_pickler(table, referenced)
    extras = {each.name: _extra_of(each) for each in saved if each.name not in unsaved}
    extras |= {name: {"unsaved": reason} for name, reason in unsaved.items()}
    graph = (
        [anchors.content_of(anchor) for anchor in table.anchors if anchor.form is not None],
        table.atoms,
        table.wholes,
        [{} if each.name in unsaved else each.user.__dict__ for each in saved],
        {name: extra for name, extra in extras.items() if extra},
    )
    try:
        raw = pickler.dump(graph)
    except Exception as error:
        raise Err(escape_surrogates(_explain(pickler, _parts(table, saved), error))) from None
    header = (
        [(anchor.names, anchor.steps, anchor.form, names.type_name(anchor.value)) for anchor in table.anchors],
        table.make_copies(),
        [each.name for each in referenced],
        [each.name for each in saved],
        table.added,
    )
    return Saved(SCHEMA, _dumps((header, raw), PROTOCOL))


def _extra_of(connection):
    """Returns the state of a consumer that is not among its attributes."""
    extra = {}
    if connection.phase is not OPEN:
        extra["phase"] = connection.phase
    if connection.events:
        extra["events"] = list(connection.events)
    if connection.replaced:
        extra["replaced"] = connection.replaced
    if connection.scope is not None:
        scope = connection.scope.changed_values()
        if scope:
            extra["scope"] = scope
    return extra


def _explain(pickler, parts, error):
    if isinstance(error, MemoryError):
        return "the state cannot be saved, because the instance has no memory left for a copy of it (limits.memory)"
    try:
        raise_unsavable(pickler, parts)
    except UnsavableError as unsavable:
        return str(unsavable)
    except Exception as failed:
        failure.report(failed)
    return f"the state cannot be saved: {type(error).__name__}: {error}"


def _parts(table, saved):
    """Yields the names of all values that are saved, and the values."""
    for anchor in table.anchors:
        if anchor.form is not None:
            yield names.text_of(*anchor.names[0]), anchors.content_of(anchor)
    for value_names, value in table.wholes:
        yield names.text_of(*value_names[0]), value
    for connection in saved:
        yield from _parts_of(connection)


def _parts_of(connection):
    for name, value in connection.user.__dict__.items():
        yield f"{type(connection.user).__name__}.{name}", value
    for name, value in _extra_of(connection).items():
        yield f"{type(connection.user).__name__}, {name}", value
