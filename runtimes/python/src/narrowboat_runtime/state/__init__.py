"""Saves and restores the state of a plugin across versions."""
