"""The whole protocol as a small world, of which every state up to a depth is looked at (docs/model.md).

``PYTHONPATH=tests python -m exploration``
"""
