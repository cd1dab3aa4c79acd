"""Compiles the files of a plugin to a program."""

import ast
import importlib
import io
import marshal
import sys
import tokenize
import warnings
from collections import namedtuple

from . import discovery, instrument, log, plugin_importer, preparation
from .problems import ProblemsFound, describe_problem, make_problem, make_syntax_problem
from .program import RUNTIME_PACKAGES, VENDOR, Program, ProgramModule, compress

#: A module of the plugin: its name, its path, its text and its syntax tree.
SourceModule = namedtuple("SourceModule", ("name", "path", "is_package", "text", "tree", "code"))


def compile_plugin(files, entries):
    """Compiles files and returns a program whose entry classes are known.

    `files` and `entries` are those of the contract. Runs the modules of the entries. Raises ProblemsFound.
    """
    preparation.prepare()
    sources = parse_files(files)
    program = make_program(files, sources)
    plugin_importer.install(program)
    try:
        program.consumer, program.worker = _find_entries(sources, entries)
    except discovery.EntryError as error:
        raise ProblemsFound([make_problem(str(error))]) from None
    except BaseException as error:
        raise ProblemsFound([describe_problem(error, program)]) from None
    return program


def parse_files(files, rewrite=None):
    """Returns the SourceModules of files by name.

    `rewrite` gets the path and the syntax tree of each module and may change the tree. Raises ProblemsFound.
    """
    sources, problems = {}, []
    for file in sorted(files, key=lambda file: (file.path.startswith(VENDOR), file.path)):
        name, is_package = module_name_of(file.path)
        if name is None or name in sources:
            continue
        is_vendor = file.path.startswith(VENDOR)
        if is_vendor and name.partition(".")[0] in RUNTIME_PACKAGES:
            continue
        source, problem = _parse_file(file, name, is_package, rewrite)
        if not is_vendor:
            problem = problem or _check_name(file.path, name)
            if problem is not None:
                problems.append(problem)
                continue
        sources[name] = source
    if problems:
        raise ProblemsFound(problems)
    return sources


def module_name_of(path):
    """Returns the name of a file's module and whether it is a package. The name is None if it cannot be imported."""
    path = path.removeprefix(VENDOR)
    if not path.endswith(".py"):
        return None, False
    parts = path[:-3].split("/")
    is_package = parts[-1] == "__init__"
    if is_package:
        parts.pop()
    if not parts or not all(part.isidentifier() for part in parts):
        return None, False
    return ".".join(parts), is_package


def _check_name(path, name):
    top = name.partition(".")[0]
    if top in RUNTIME_PACKAGES:
        return make_problem(f"the name {top} belongs to the runtime: rename the file or the folder", path)
    if top in sys.stdlib_module_names and top in sys.modules:
        return make_problem(
            f"the name {top} hides a module of the standard library: rename the file or the folder", path
        )
    return None


def _parse_file(file, name, is_package, rewrite):
    """Returns a SourceModule and a problem. One of them may be None, and for a file of `vendor/` both are there."""
    text, tree, code, problem = "", None, None, None
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        try:
            text = _decode(file.content)
            tree = ast.parse(text, file.path, type_comments=False)
            if rewrite is not None:
                rewrite(file.path, tree)
            code = _compile_tree(tree, file.path)
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            problem = make_syntax_problem(error, file.path, text)
    if not file.path.startswith(VENDOR):
        _log_warnings(caught)
    return SourceModule(name, file.path, is_package, text, tree, code), problem


def _decode(content):
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
    except SyntaxError:
        raise SyntaxError("the text is not UTF-8, and the file declares no other encoding that is known") from None
    try:
        text = io.TextIOWrapper(io.BytesIO(content), encoding).read()
    except UnicodeDecodeError as error:
        raise _syntax_error(f"the text is not {encoding}: {error.reason}", content[: error.start].count(b"\n")) from None
    if "\0" in text:
        raise _syntax_error("the text has a NUL character", text[: text.index("\0")].count("\n"))
    return text


def _syntax_error(message, lines_before):
    return SyntaxError(message, (None, lines_before + 1, None, None))


def _compile_tree(tree, path):
    instrument.insert_checks(tree)
    return marshal.dumps(compile(tree, path, "exec", dont_inherit=True))


def _log_warnings(caught):
    for line in dict.fromkeys(f"{w.filename}:{w.lineno}: {w.category.__name__}: {w.message}" for w in caught):
        log.write(log.Level.WARN, "warnings", line)


def make_program(files, sources):
    """Returns the program of files and their SourceModules, without entry classes."""
    modules = {source.name: ProgramModule(source.path, source.is_package, source.code) for source in sources.values()}
    texts = {source.path: compress(source.text.encode()) for source in sources.values()}
    others = {file.path: compress(bytes(file.content)) for file in files if not file.path.endswith(".py")}
    return Program(modules, texts, others)


def _find_entries(sources, entries):
    worker = discovery.load_entry(entries.worker, "worker") if entries.worker else None
    if entries.consumer:
        consumer = discovery.load_entry(entries.consumer, "consumer")
    else:
        own = {name: source.tree for name, source in sources.items() if not source.path.startswith(VENDOR)}
        modules = discovery.find_consumer_modules(own)
        for module in modules:
            importlib.import_module(module)
        consumer = discovery.find_consumer(modules, worker)
    return _name_or_none(consumer), _name_or_none(worker)


def _name_or_none(entry):
    return None if entry is None else discovery.name_of(entry)
