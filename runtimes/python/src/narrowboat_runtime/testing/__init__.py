"""Runs the tests of a plugin. Only `narrowboat test` uses this package."""
