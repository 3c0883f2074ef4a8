"""Serving: admission, processes, reload, housekeeping, and the soak that shows that it holds.

Each module is imported by its own name: the web application needs admission alone, the command line the server.
"""
