"""A source plugin in JavaScript or TypeScript, whose files a test rewrites."""

from python_plugin import PythonPlugin


class JavaScriptPlugin(PythonPlugin):
    """The folder of a source plugin in JavaScript."""

    MAIN, RUNTIME = "consumers.js", "javascript"


class TypeScriptPlugin(JavaScriptPlugin):
    """The folder of a source plugin in TypeScript."""

    MAIN = "consumers.ts"
