"""Inserts checks of the time into the syntax tree of a plugin's module."""

import ast

from .deadline import CHECKS_NAME, NEXT_NAME

_LOOPS = (ast.For, ast.AsyncFor, ast.While)
_FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def insert_checks(tree):
    """Inserts a check at the start of each function, of each round of a loop and of each element of a comprehension."""
    for node in list(ast.walk(tree)):
        if isinstance(node, _LOOPS):
            node.body.insert(0, _check_statement(node))
        elif isinstance(node, _FUNCTIONS):
            node.body.insert(_first_statement(node), _check_statement(node))
        elif isinstance(node, _COMPREHENSIONS):
            for generator in node.generators:
                generator.ifs.insert(0, _check_call(generator.iter))
        elif isinstance(node, ast.Lambda):
            node.body = ast.copy_location(ast.BoolOp(ast.And(), [_check_call(node.body), node.body]), node.body)


def _first_statement(function):
    """The place behind the docstring."""
    first = function.body[0]
    is_docstring = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant)
    return 1 if is_docstring and isinstance(first.value.value, str) else 0


def _check_statement(node):
    return ast.copy_location(ast.Expr(_check_call(node)), node)


def _check_call(node):
    call = ast.Call(ast.Name(NEXT_NAME, ast.Load()), [ast.Name(CHECKS_NAME, ast.Load())], [])
    for part in ast.walk(call):
        if "lineno" in part._attributes:
            ast.copy_location(part, node)
    return call
