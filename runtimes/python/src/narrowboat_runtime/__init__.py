"""The runtime of Python plugins: it connects the exports of the contract with consumers of Django Channels."""
