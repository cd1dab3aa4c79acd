"""MessagePack as the channel layer uses it: nil, booleans, integers, floats, texts, bytes, lists and maps."""

import struct

_pack_float = struct.Struct(">Bd").pack
_pack_u16 = struct.Struct(">BH").pack
_pack_u32 = struct.Struct(">BI").pack
_pack_u64 = struct.Struct(">BQ").pack
_pack_i64 = struct.Struct(">Bq").pack

#: How deep lists and maps may be nested. The host allows fewer levels in messages that a plugin sends.
MAX_DEPTH = 100


def packb(value):
    """Encodes a value.

    Raises TypeError for a value of another type, OverflowError for an integer of more than 64 bits, and ValueError if
    lists and maps are nested too deep.
    """
    out = []
    _pack(value, out.append, MAX_DEPTH)
    return b"".join(out)


def _pack(value, put, depth):
    packer = _PACKERS.get(type(value))
    if packer is None:
        packer = _find_packer(value)
    packer(value, put, depth)


def _pack_str(value, put, depth):
    raw = value.encode()
    size = len(raw)
    if size < 32:
        put(_STR_HEADERS[size])
    elif size < 256:
        put(bytes((0xD9, size)))
    elif size < 65536:
        put(_pack_u16(0xDA, size))
    else:
        put(_pack_u32(0xDB, size))
    put(raw)


def _pack_bytes(value, put, depth):
    raw = bytes(value)
    size = len(raw)
    if size < 256:
        put(bytes((0xC4, size)))
    elif size < 65536:
        put(_pack_u16(0xC5, size))
    else:
        put(_pack_u32(0xC6, size))
    put(raw)


def _pack_int(value, put, depth):
    value = int(value)
    if -32 <= value < 128:
        put(bytes((value & 0xFF,)))
    elif 0 <= value <= 0xFFFF:
        put(_pack_u16(0xCD, value))
    elif 0 <= value <= 0xFFFF_FFFF:
        put(_pack_u32(0xCE, value))
    elif 0 <= value < 1 << 64:
        put(_pack_u64(0xCF, value))
    elif -(1 << 63) <= value < 0:
        put(_pack_i64(0xD3, value))
    else:
        raise OverflowError("an integer of more than 64 bits cannot be sent over a channel layer")


def _pack_list(value, put, depth):
    if depth == 0:
        raise ValueError(f"lists and maps of a message are nested deeper than {MAX_DEPTH}")
    size = len(value)
    put(bytes((0x90 | size,)) if size < 16 else _pack_u32(0xDD, size))
    for item in value:
        _pack(item, put, depth - 1)


def _pack_dict(value, put, depth):
    if depth == 0:
        raise ValueError(f"lists and maps of a message are nested deeper than {MAX_DEPTH}")
    size = len(value)
    put(bytes((0x80 | size,)) if size < 16 else _pack_u32(0xDF, size))
    for key, item in value.items():
        if type(key) is str and len(key) < 32 and key.isascii():
            put(_STR_HEADERS[len(key)])
            put(key.encode())
        else:
            _pack(key, put, depth)
        _pack(item, put, depth - 1)


_STR_HEADERS = [bytes((0xA0 | size,)) for size in range(32)]
_PACKERS = {
    str: _pack_str,
    bytes: _pack_bytes,
    bytearray: _pack_bytes,
    memoryview: _pack_bytes,
    int: _pack_int,
    bool: lambda value, put, depth: put(b"\xc3" if value else b"\xc2"),
    float: lambda value, put, depth: put(_pack_float(0xCB, value)),
    type(None): lambda value, put, depth: put(b"\xc0"),
    list: _pack_list,
    tuple: _pack_list,
    dict: _pack_dict,
}


def _find_packer(value):
    for base in (str, int, float, bytes, list, tuple, dict):
        if isinstance(value, base):
            return _PACKERS[base]
    raise TypeError(f"{type(value).__name__} cannot be sent over a channel layer")


def unpackb(raw):
    """Decodes a value. Raises ValueError if the bytes are not one value of MessagePack."""
    try:
        value, end = _unpack(raw, 0, MAX_DEPTH)
    except (IndexError, struct.error):
        raise ValueError("the MessagePack of a message ends early") from None
    if end != len(raw):
        raise ValueError("bytes follow the MessagePack of a message")
    return value


_NUMBERS = {
    tag: struct.Struct(format)
    for tag, format in {
        0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q",
        0xD0: ">b", 0xD1: ">h", 0xD2: ">i", 0xD3: ">q",
    }.items()
}  # fmt: skip
_WIDTHS = {0xC4: 1, 0xC5: 2, 0xC6: 4, 0xD9: 1, 0xDA: 2, 0xDB: 4, 0xDC: 2, 0xDD: 4, 0xDE: 2, 0xDF: 4}
_CONSTANTS = {0xC0: None, 0xC2: False, 0xC3: True}


def _unpack(raw, at, depth):
    tag = raw[at]
    at += 1
    if 0xA0 <= tag < 0xC0:
        return _take_str(raw, at, tag & 31)
    if tag < 0x80:
        return tag, at
    if tag >= 0xE0:
        return tag - 256, at
    if tag < 0x90:
        return _unpack_dict(raw, at, tag & 15, depth)
    if tag < 0xA0:
        return _unpack_list(raw, at, tag & 15, depth)
    if tag in _CONSTANTS:
        return _CONSTANTS[tag], at
    number = _NUMBERS.get(tag)
    if number is not None:
        return number.unpack_from(raw, at)[0], at + number.size
    return _unpack_sized(raw, at, tag, depth)


def _unpack_sized(raw, at, tag, depth):
    width = _WIDTHS.get(tag)
    if width is None:
        raise ValueError(f"the MessagePack type {tag:#x} is not one of a channel layer")
    size = int.from_bytes(raw[at : at + width], "big")
    if at + width > len(raw):
        raise IndexError
    at += width
    if tag <= 0xC6:
        if at + size > len(raw):
            raise IndexError
        return raw[at : at + size], at + size
    if tag <= 0xDB:
        return _take_str(raw, at, size)
    if tag <= 0xDD:
        return _unpack_list(raw, at, size, depth)
    return _unpack_dict(raw, at, size, depth)


def _take_str(raw, at, size):
    end = at + size
    if end > len(raw):
        raise IndexError
    return raw[at:end].decode(), end


def _unpack_list(raw, at, size, depth):
    if depth == 0:
        raise ValueError(f"lists and maps of a message are nested deeper than {MAX_DEPTH}")
    items = []
    for _ in range(size):
        item, at = _unpack(raw, at, depth - 1)
        items.append(item)
    return items, at


def _unpack_dict(raw, at, size, depth):
    if depth == 0:
        raise ValueError(f"lists and maps of a message are nested deeper than {MAX_DEPTH}")
    items = {}
    for _ in range(size):
        key, at = _unpack(raw, at, depth)
        try:
            items[key], at = _unpack(raw, at, depth - 1)
        except TypeError:
            raise ValueError(f"a map of a message has a key of the type {type(key).__name__}") from None
    return items, at
