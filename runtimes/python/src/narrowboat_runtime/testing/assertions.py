"""Rewrites the `assert` statements of test modules, so that a failure has the values of the expression.

The values of an expression go into local variables. The names of these are no identifiers, so they hide no others:

    assert len(rooms) == 2

becomes

    @value0 = MISSING
    if not (@value0 := len(rooms)) == 2:
        raise FAILURE(TEMPLATE, [@value0, 2])
    @value0 = None

A template is a tuple of constants: the parts of the expression, of which a number stands for a value; the parts of the
expressions that have such values; and their source texts.
"""

import ast
import builtins

from . import explanation

_MISSING_NAME = "__narrowboat_missing__"
_FAILURE_NAME = "__narrowboat_failure__"
_BOOLEAN = {ast.And: " and ", ast.Or: " or "}
_COMPARISONS = {
    ast.Eq: "==", ast.NotEq: "!=", ast.Lt: "<", ast.LtE: "<=", ast.Gt: ">", ast.GtE: ">=",
    ast.Is: "is", ast.IsNot: "is not", ast.In: "in", ast.NotIn: "not in",
}  # fmt: skip

# Python imports a module when `unparse` is first called, and there are no files at run time.
ast.unparse(ast.Constant(None))

#: Expressions whose value is shown together with their text.
_SHOWN_WITH_TEXT = (ast.Call, ast.Await, ast.Attribute, ast.Subscript)


def install():
    """Puts the names that rewritten statements use among the built-in names."""
    setattr(builtins, _MISSING_NAME, explanation.MISSING)
    setattr(builtins, _FAILURE_NAME, explanation.make_failure)


def rewrite(tree):
    """Rewrites the statements of a module. Their line numbers stay."""
    AssertRewriter().visit(tree)


class AssertRewriter(ast.NodeTransformer):
    """Replaces each `assert` statement."""

    def visit_Assert(self, node):
        values = AssertedValues()
        test, parts = values.take(node.test, is_alone=True)
        template = ast.Constant((("assert ", *parts), tuple(values.texts), tuple(values.sources)))
        arguments = [template, ast.List(values.read(), ast.Load()), *([node.msg] if node.msg else [])]
        failure = ast.Call(ast.Name(_FAILURE_NAME, ast.Load()), arguments, [])
        check = ast.If(ast.UnaryOp(ast.Not(), test), [ast.Raise(failure, None)], [])
        before, after = values.assign(ast.Name(_MISSING_NAME, ast.Load())), values.assign(ast.Constant(None))
        return [_place(statement, node) for statement in (*before, check, *after)]


class AssertedValues:
    """The values of the expression of one `assert`."""

    def __init__(self):
        #: The name of the variable of each value, or the node of a constant.
        self.nodes = []
        #: The source of each value.
        self.sources = []
        #: Pairs of the number of a value and the parts of its expression.
        self.texts = []

    def take(self, node, is_alone=False):
        """Returns an expression that keeps its values, and the parts of its text."""
        if isinstance(node, ast.BoolOp):
            return self._take_boolean(node)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            operand, parts = self.take(node.operand, is_alone)
            return ast.UnaryOp(node.op, operand), ("not ", *_enclose(node.operand, parts))
        if isinstance(node, ast.Compare):
            return self._take_comparison(node)
        return self._take_value(node, is_alone)

    def _take_boolean(self, node):
        taken = [self.take(value, is_alone=True) for value in node.values]
        separator = _BOOLEAN[type(node.op)]
        parts = ()
        for value, (_, own) in zip(node.values, taken):
            parts += (*((separator,) if parts else ()), *_enclose(value, own))
        return ast.BoolOp(node.op, [expression for expression, _ in taken]), parts

    def _take_comparison(self, node):
        left, parts = self._take_value(node.left)
        operands = []
        for operator, right in zip(node.ops, node.comparators):
            operand, own = self._take_value(right)
            operands.append(operand)
            parts += (f" {_COMPARISONS[type(operator)]} ", *own)
        return ast.Compare(left, node.ops, operands), parts

    def _take_value(self, node, is_alone=False):
        if isinstance(node, ast.Constant):
            return node, (self._add(node, _source_of(node)),)
        call = node.value if isinstance(node, ast.Await) else node
        # Taking a call changes it.
        source = _source_of(node)
        text = ()
        if isinstance(call, ast.Call):
            text = self._take_call(call)
            text = ("await ", *text) if call is not node else text
        elif is_alone or isinstance(node, _SHOWN_WITH_TEXT):
            text = (source,)
        kept, number = self._keep(node, source)
        if text:
            self.texts.append((number, text))
        return kept, (number,)

    def _take_call(self, call):
        """Makes a call keep its object and its arguments. Returns the parts of its text."""
        if not isinstance(call.func, (ast.Name, ast.Attribute)):
            return (_source_of(call),)
        if isinstance(call.func, ast.Attribute) and not isinstance(call.func.value, ast.Constant):
            call.func.value, number = self._keep(call.func.value, _source_of(call.func.value))
            parts = (number, f".{call.func.attr}(")
        else:
            parts = (f"{_source_of(call.func)}(",)
        shown = [self._take_argument(call.args, index) for index in range(len(call.args))]
        shown += [(f"{word.arg}=" if word.arg else "**", _source_of(word.value)) for word in call.keywords]
        for index, own in enumerate(shown):
            parts += (*((", ",) if index else ()), *own)
        return (*parts, ")")

    def _take_argument(self, arguments, index):
        node = arguments[index]
        if isinstance(node, (ast.Constant, ast.Starred)):
            return (_source_of(node),)
        arguments[index], number = self._keep(node, _source_of(node))
        return (number,)

    def _keep(self, node, source):
        """Returns an expression that assigns the value of the node to a variable, and the number of the value.

        `source` is shown if the node is not evaluated.
        """
        name = f"@value{len(self.nodes)}"
        number = self._add(ast.Name(name, ast.Load()), source)
        return ast.NamedExpr(ast.Name(name, ast.Store()), node), number

    def _add(self, read, source):
        self.nodes.append(read)
        self.sources.append(source)
        return len(self.nodes) - 1

    def read(self):
        """Returns the expressions that read the values."""
        return self.nodes

    def assign(self, value):
        """Returns a statement that assigns a value to all variables, or no statement if there are none."""
        names = [ast.Name(node.id, ast.Store()) for node in self.nodes if isinstance(node, ast.Name)]
        return [ast.Assign(names, value)] if names else []


def _enclose(node, parts):
    """Returns the parts of an operand, with parentheses if it has operands of its own."""
    return ("(", *parts, ")") if isinstance(node, ast.BoolOp) else parts


def _source_of(node):
    return explanation.shorten(ast.unparse(node))


def _place(statement, node):
    """Gives each node of a statement that has no place the place of another node."""
    for part in ast.walk(statement):
        if "lineno" in part._attributes and not hasattr(part, "lineno"):
            ast.copy_location(part, node)
    return statement
