"""Procedures of more than one command, each written once, as a generator of steps (see steps.py)."""
