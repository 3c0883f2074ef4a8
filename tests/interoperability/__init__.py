"""Marginalia with other people's programs: `python -m tests.interoperability.matrix`."""
