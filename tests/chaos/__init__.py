"""Faults on purpose: servers and workers on a network of our own, and a checker of what they did.

``PYTHONPATH=tests python -m chaos --minutes 3`` (docs/reliability.md)
"""
