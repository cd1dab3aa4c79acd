"""Source plugins in JavaScript: packages, package.json, JSON modules and imports that run later."""

import json

import pytest

from test_javascript import ECHO, consumer


def package(name, **fields):
    """The text of a package.json."""
    return json.dumps({"name": name, "version": "1.0.0"} | fields)


def shows(imports, expression):
    """The text of a module whose consumer answers with an expression."""
    return f"{imports}\n" + consumer(f"async receive(text) {{ this.send(String({expression})); }}")


@pytest.fixture
def answer(javascript):
    """The answer of a plugin that evaluates an expression after imports, with further files."""

    def ask(imports, expression, files):
        return javascript(shows(imports, expression), files).connect().ask("go")

    return ask


@pytest.fixture
def refusal(javascript):
    """The reason for which the host refuses a plugin with imports and further files."""

    def ask(imports, files):
        return javascript(ECHO).refuse(imports + "\n" + ECHO, files)

    return ask


# Packages.


@pytest.mark.parametrize(
    "fields",
    [{"main": "lib/main.js"}, {"main": "old.js", "module": "./lib/main.js"}, {"main": "lib/main"}, {"exports": "./lib/main.js"},
     {"exports": {".": {"require": "./old.js", "default": "./lib/main.js"}}}, {"exports": {"import": "./lib/main.js"}}],
    ids=["main", "module", "main-without-ending", "exports", "conditions", "exports-of-conditions"],
)  # fmt: skip
def test_a_package_is_found_by_its_description(answer, fields):
    files = {
        "node_modules/emoji/package.json": package("emoji", **fields),
        "node_modules/emoji/lib/main.js": "export const show = (name) => `:${name}:`;\n",
        "node_modules/emoji/old.js": "module.exports = {};\n",
    }
    assert answer('import { show } from "emoji";', 'show("boat")', files) == ":boat:"


@pytest.mark.parametrize("path", ["node_modules/emoji/index.js", "vendor/emoji/index.js", "vendor/emoji.js"])
def test_a_package_needs_no_description(answer, path):
    assert answer('import name from "emoji";', "name", {path: 'export default "boat";\n'}) == "boat"


def test_a_package_has_a_scope_and_subpaths(answer):
    exports = {"./texts/*": "./lib/*.js", "./texts/hidden/*": None, "./plain": {"browser": "./lib/a.js", "default": "./lib/b.js"}}
    files = {
        "node_modules/@scope/kit/package.json": package("@scope/kit", type="module", exports=exports),
        "node_modules/@scope/kit/lib/a.js": 'export default "a";\n',
        "node_modules/@scope/kit/lib/b.js": 'export default "b";\n',
        "node_modules/loose/sub/part.js": 'export default "part";\n',
    }
    imports = 'import b from "@scope/kit/texts/b";\nimport a from "@scope/kit/plain";\nimport part from "loose/sub/part.js";'
    assert answer(imports, "[a, b, part]", files) == "a,b,part"


def test_the_first_condition_in_the_order_of_the_package_counts(answer):
    conditions = {"node": "./node.js", "module": "./module.js", "narrowboat": "./boat.js", "default": "./default.js"}
    files = {"node_modules/kit/package.json": package("kit", exports=conditions)}
    files |= {f"node_modules/kit/{name}.js": f'export default "{name}";\n' for name in ("node", "module", "boat", "default")}
    assert answer('import name from "kit";', "name", files) == "module"


def test_a_package_finds_its_own_version_of_another_package(answer):
    files = {
        "node_modules/inner/index.js": 'export default "outer version";\n',
        "node_modules/kit/node_modules/inner/index.js": 'export default "own version";\n',
        "node_modules/kit/index.js": 'export { default } from "inner";\n',
    }
    assert answer('import kit from "kit";\nimport inner from "inner";', "[kit, inner]", files) == "own version,outer version"


def test_only_packages_that_the_dependencies_reach_are_packed(javascript):
    files = {
        "package.json": package("chat", dependencies={"kit": "1"}, devDependencies={"tool": "1"}),
        "node_modules/kit/package.json": package("kit", dependencies={"inner": "1"}),
        "node_modules/kit/index.js": 'export { default } from "inner";\n',
        "node_modules/inner/index.js": 'export default "inner";\n',
        "node_modules/tool/index.js": 'export default "tool";\n',
    }
    plugin = javascript(shows('import name from "kit";', "name"), files)
    assert plugin.connect().ask("go") == "inner"
    assert 'the plugin has no module "tool"' in plugin.refuse(shows('import name from "tool";', "name"))


def test_files_of_packages_that_are_no_code_are_not_packed(narrowboat, javascript, tmp_path):
    other = ["README.md", "index.js.map", "index.d.ts", "test/index.js", "bin/tool.node", "index.test.js"]
    files = {f"node_modules/kit/{name}": "not code" for name in other}
    files |= {"node_modules/.bin/tool": "#!", "node_modules/kit/index.js": 'export default "kit";\n'}
    plugin = javascript(shows('import name from "kit";', "name"), files)
    bundle = tmp_path / "chat.narrowboat"
    result = narrowboat("plugin", "build", plugin.folder, "--out", bundle)
    assert result.returncode == 0, result.stderr
    content = bundle.read_bytes()
    assert b"node_modules/kit/index.js" in content
    assert not [name for name in [*other, ".bin"] if name.encode() in content.replace(b"kit/index.js\0", b"")]


def test_packages_that_are_too_large_are_refused_with_the_largest(narrowboat, javascript):
    plugin = javascript(ECHO)
    for name, size in (("small", 1), ("large", 70)):
        file = plugin.folder / f"node_modules/{name}/index.js"
        file.parent.mkdir(parents=True)
        file.write_bytes(b"//" + b" " * (size << 20))
    result = narrowboat("plugin", "build", plugin.folder)
    assert result.returncode != 0
    assert "its largest package is node_modules/large with 70" in result.stderr


@pytest.mark.parametrize(
    "files",
    [{"node_modules/old/index.js": "const path = require('path');\nmodule.exports = path;\n"},
     {"node_modules/old/package.json": package("old", exports={"require": "./index.cjs"})},
     {"node_modules/old/package.json": package("old", main="index.cjs")}],
    ids=["text", "exports", "ending"],
)  # fmt: skip
def test_a_common_js_package_is_refused(refusal, files):
    assert "old is a CommonJS package: use one with ES modules" in refusal('import old from "old";', files)


@pytest.mark.parametrize("name", ["node:fs", "fs"])
def test_a_module_of_node_is_refused_with_the_way_out(refusal, name):
    told = refusal(f'import fs from "{name}";', {})
    assert 'there is no Node.js in a plugin, and so no module "node:fs"' in told


@pytest.mark.parametrize(
    ("line", "error"),
    [('import kit from "kit";', 'consumers.js:2:17: the plugin has no module "kit": install the package into node_modules'),
     ('import { keyvalue } from "narrowboat/keyvalue";', 'the host has no module "narrowboat/keyvalue": its modules are "narrowboat" and'),
     ('import { other } from "./names.js";', "consumers.js:2:10: names.js has no export other"),
     ('export { name as other, other as b } from "./names.js";', "consumers.js:2:25: names.js has no export other"),
     ('import "./style.css";', "consumers.js:2:8: style.css is not a module")],
    ids=["module", "module of the host", "export", "export on", "kind"],
)  # fmt: skip
def test_an_import_of_what_is_not_there_is_refused_with_its_line(refusal, line, error):
    files = {"names.js": "export const name = 1;\n", "style.css": "a {}\n"}
    assert error in refusal(f"// The first line.\n{line}", files)


def test_a_subpath_that_a_package_does_not_export_is_refused(refusal):
    files = {"node_modules/kit/package.json": package("kit", exports="./index.js"), "node_modules/kit/index.js": "export {};\n"}
    assert 'the package kit does not export "./inner.js"' in refusal('import "kit/inner.js";', files)


def test_the_error_of_a_package_names_its_file_and_line(javascript):
    files = {"node_modules/kit/index.js": "export function run() {\n  null.x;\n}\n"}
    plugin = javascript(shows('import { run } from "kit";', "run()"), files)
    client = plugin.connect()
    client.send("go")
    assert client.ended()[0] == 1011
    plugin.host.logged(r"TypeError: .* \(node_modules/kit/index\.js:2\)")


# Files.


def test_a_folder_is_imported_by_its_index(answer):
    assert answer('import name from "./rooms";', "name", {"rooms/index.js": 'export default "rooms";\n'}) == "rooms"


def test_json_is_a_module(answer):
    imports = 'import words from "./words.json" with { type: "json" };\nimport plain from "./words.json";'
    assert answer(imports, "words.list[1] + (plain === words)", {"words.json": '{"list": [1, "é"]}'}) == "étrue"


def test_json_that_does_not_parse_is_refused_with_its_line(refusal):
    assert "words.json:2" in refusal('import words from "./words.json" with { type: "json" };', {"words.json": '{\n"a": }\n'})


def test_the_description_of_the_plugin_names_imports(answer):
    files = {"package.json": package("chat", imports={"#lib/*": "./lib/*.js"}), "lib/a.js": 'export default "a";\n'}
    assert answer('import a from "#lib/a";', "a", files) == "a"


# Imports that run later.


def test_an_import_in_a_handler_runs_the_module_then(javascript):
    files = {"later.js": 'import { name } from "./names.js";\nconsole.log("runs now");\nexport default name;\n', "names.js": 'export const name = "later";\n'}
    plugin = javascript(shows("", '(await import("./later.js")).default'), files)
    client = plugin.connect()
    assert client.ask("go") == "later"
    assert client.ask("again") == "later"
    assert plugin.host.log().count("runs now") == 1


def test_an_import_in_a_handler_of_a_file_that_does_not_parse_is_refused(javascript):
    files = {"later.js": "export default 1;\nexport const = 2;\n"}
    plugin = javascript(ECHO)
    assert "later.js:2" in plugin.refuse(shows("", '(await import("./later.js")).default'), files)


def test_an_import_of_a_missing_file_fails_when_it_runs(answer):
    expression = 'await import("./missing.js").catch((error) => error.message)'
    assert "missing.js" in answer("", expression, {})
