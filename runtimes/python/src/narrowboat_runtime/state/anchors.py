"""The objects to which names of a plugin refer, as references of a snapshot.

An object that is bound to a name of a module or a class is an anchor. A snapshot refers to an anchor by its names, and
another version uses its own object with this name. So all aliases of the object stay one object, even those that only
the source has, such as a default argument.
"""

import collections

from channels.consumer import AsyncConsumer

from .. import plugin_importer
from . import baseline, names
from .pickler import dump_plain

#: The most objects within unchanged anchors that are anchors themselves.
_MAX_INNER = 1_000

#: The most bytes of copies for objects that another version may lack.
_MAX_COPIES = 262_144

#: The most elements of a flat container of which a copy is kept.
_MAX_FLAT_COPY = 1_000

#: An anchor: the object, its names, the steps from the name to the object, and how it is saved. `form` is None if it has
#: not changed.
Anchor = collections.namedtuple("Anchor", ("value", "names", "steps", "form"))


class NameTable:
    """The names of a plugin with their values: anchors, changed atoms and changed values of other kinds."""

    def __init__(self, with_content):
        #: Whether the content of changed anchors is saved. Without it all anchors count as unchanged.
        self.with_content = with_content
        self.anchors = []
        #: The changed atoms: module, path and value.
        self.atoms = []
        #: The changed values that are saved as a whole: the names and the value.
        self.wholes = []
        #: The names that running code has added.
        self.added = []
        self._collect()

    def _collect(self):
        groups = {}
        for module, path, value in names.walk_names():
            changed = self.with_content and baseline.has_changed(module, path, value)
            if changed and not baseline.is_known(module, path):
                self.added.append((module, path))
            if names.is_atom(value):
                if changed:
                    self.atoms.append((module, path, value))
                continue
            group = groups.setdefault(id(value), [value, [], False])
            group[1].append((module, path))
            group[2] = group[2] or changed
        for value, value_names, changed in groups.values():
            self._add(value, value_names, changed)
        self._add_inner()

    def _add(self, value, value_names, changed):
        if not changed:
            self.anchors.append(Anchor(value, value_names, (), None))
            return
        form = form_of(value)
        if form is None:
            self.wholes.append((value_names, value))
        else:
            self.anchors.append(Anchor(value, value_names, (), form))

    def _add_inner(self):
        """Adds the objects within unchanged anchors."""
        seen = {id(anchor.value) for anchor in self.anchors} | {id(value) for _, value in self.wholes}
        pending = collections.deque(anchor for anchor in self.anchors if anchor.form is None)
        count = 0
        while pending and count < _MAX_INNER:
            anchor = pending.popleft()
            if baseline.is_flat(anchor.value):
                continue
            for step, inner in _inner_objects(anchor.value):
                if id(inner) in seen or count >= _MAX_INNER:
                    continue
                seen.add(id(inner))
                count += 1
                found = Anchor(inner, anchor.names[:1], (*anchor.steps, step), None)
                self.anchors.append(found)
                pending.append(found)

    def make_copies(self):
        """Returns the pickles of unchanged anchors, which serve if another version lacks the anchor. Some are None."""
        left, copies = _MAX_COPIES if self.with_content else 0, []
        for anchor in self.anchors:
            copy = self._copy_of(anchor) if left > 0 else None
            left -= len(copy or b"")
            copies.append(copy)
        return copies

    def _copy_of(self, anchor):
        if anchor.form is not None:
            return None
        if not anchor.steps and not baseline.is_flat(anchor.value):
            return baseline.pickle_of(*anchor.names[0])
        if baseline.is_flat(anchor.value) and len(anchor.value) > _MAX_FLAT_COPY:
            return None
        try:
            return dump_plain(anchor.value)
        except Exception:
            return None


def _inner_objects(value):
    """Yields the steps to the objects within a container or an instance, and the objects."""
    if isinstance(value, dict):
        items = (
            (("key", key), item) for key, item in value.items() if type(key) in (str, int, bytes, bool, type(None))
        )
    elif isinstance(value, (list, tuple)):
        items = ((("key", index), item) for index, item in enumerate(value))
    elif is_plain_instance(value):
        items = ((("attribute", name), item) for name, item in vars(value).items())
    else:
        return
    for step, item in items:
        if not names.is_atom(item) and not names.is_code(item) and not isinstance(item, _NOT_INNER):
            yield step, item


#: Types without an identity of their own, and consumers, which have names of their own.
_NOT_INNER = (tuple, frozenset, AsyncConsumer)


def follow(value, steps):
    """Returns the object at the end of the steps, or None."""
    for kind, name in steps:
        try:
            value = value[name] if kind == "key" else vars(value)[name]
        except (LookupError, TypeError):
            return None
    return value


def form_of(value):
    """Returns how the content of an object is saved apart from the object, or None if it is saved as a whole."""
    kind = type(value)
    if kind in _CONTAINERS:
        return _CONTAINERS[kind]
    return "instance" if is_plain_instance(value) else None


_CONTAINERS = {
    list: "list",
    dict: "dict",
    set: "set",
    collections.deque: "deque",
    collections.defaultdict: "defaultdict",
    collections.OrderedDict: "dict",
    collections.Counter: "dict",
}
_STANDARD_METHODS = {name: getattr(object, name, None) for name in ("__reduce_ex__", "__reduce__", "__getstate__")}


def is_plain_instance(value):
    """Says whether an object is an instance of a class of the plugin whose state is its dictionary."""
    kind = type(value)
    if not plugin_importer.is_plugin_module(kind.__module__) or not isinstance(getattr(value, "__dict__", None), dict):
        return False
    if kind.__basicsize__ > _LARGEST_PLAIN or isinstance(value, (dict, list, set, tuple, BaseException)):
        return False
    has_own_state = any(getattr(kind, name, None) is not method for name, method in _STANDARD_METHODS.items())
    return not has_own_state and not hasattr(kind, "__setstate__") and not hasattr(kind, "__getnewargs__")


class _Plain:
    pass


#: The size of an instance without slots. One with slots has state outside its dictionary.
_LARGEST_PLAIN = _Plain.__basicsize__


def content_of(anchor):
    """Returns the content of an anchor, which does not contain the object itself."""
    value = anchor.value
    if anchor.form == "instance":
        return dict(vars(value))
    if anchor.form == "deque":
        return value.maxlen, list(value)
    if anchor.form == "defaultdict":
        return value.default_factory, dict(value)
    if anchor.form == "dict":
        return dict(value)
    return set(value) if anchor.form == "set" else list(value)


def fill(value, form, content):
    """Replaces the content of an object."""
    if form == "instance":
        vars(value).clear()
        vars(value).update(content)
    elif form == "list":
        value[:] = content
    elif form == "deque":
        value.clear()
        value.extend(content[1])
    elif form == "defaultdict":
        value.clear()
        value.update(content[1])
        if value.default_factory is None:
            value.default_factory = content[0]
    else:
        value.clear()
        value.update(content)
