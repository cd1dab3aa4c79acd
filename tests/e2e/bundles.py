"""Source bundles from an independent implementation, and folders of source plugins."""

MANIFEST = 'name = "chat"\nruntime = "python"\n'
CODE = "import channels.consumer as c\nclass Chat(c.SyncConsumer): pass\n"
FILES = {"chat.py": CODE, "plugin.toml": MANIFEST}

BLOCK = 512


def header(path, size, kind=b"0", link=b""):
    """The header of an entry. `path` is text or bytes of at most 100 bytes."""
    name = path.encode() if isinstance(path, str) else path
    fields = [
        name.ljust(100, b"\0"),
        b"0000644\0" b"0000000\0" b"0000000\0",
        b"%011o\0" % size,
        b"00000000000\0",
        b" " * 8,
        kind,
        link.ljust(100, b"\0"),
        b"ustar\00000",
        bytes(64),
        b"0000000\0" b"0000000\0",
        bytes(167),
    ]
    encoded = b"".join(fields)
    assert len(encoded) == BLOCK
    return encoded[:148] + b"%06o\0 " % sum(encoded) + encoded[156:]


def entry(path, content="", **options):
    content = content.encode() if isinstance(content, str) else content
    return header(path, len(content), **options) + content + bytes(-len(content) % BLOCK)


def archive(*entries):
    return b"".join(entries) + bytes(2 * BLOCK)


def bundle(files):
    """The source bundle of these files."""
    return archive(*(entry(path, files[path]) for path in sorted(files)))


def source_folder(folder, files=FILES):
    """Writes the files of a source plugin into a new folder."""
    for path, content in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return folder
