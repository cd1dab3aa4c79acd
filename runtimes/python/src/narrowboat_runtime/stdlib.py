"""The modules of the standard library that plugins can import."""

MODULES = tuple(
    """
    __future__ abc argparse array ast asyncio base64 binascii bisect builtins calendar cmath codecs collections
    collections.abc colorsys concurrent.futures configparser contextlib contextvars copy copyreg csv dataclasses
    datetime decimal difflib email email.message email.policy email.utils encodings.ascii encodings.idna
    encodings.latin_1 encodings.punycode encodings.unicode_escape encodings.utf_16 encodings.utf_32
    encodings.utf_8_sig enum errno fnmatch fractions functools gc gettext glob graphlib gzip hashlib heapq hmac html
    html.entities html.parser http http.cookies importlib importlib.metadata importlib.resources
    importlib.resources.abc importlib.util inspect io ipaddress itertools json keyword linecache locale logging
    logging.config logging.handlers marshal math mimetypes numbers operator os os.path pathlib pickle pkgutil platform
    pprint queue quopri random re reprlib sched secrets selectors shlex shutil signal socket stat statistics string
    stringprep struct subprocess sys tempfile textwrap threading time timeit token tokenize tomllib traceback types
    typing unicodedata unittest unittest.mock urllib urllib.error urllib.parse uuid warnings weakref xml.etree.ElementTree
    xml.sax.saxutils zipfile zlib zoneinfo
    """.split()
)
