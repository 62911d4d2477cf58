"""Real MongoDB servers for tests: ``Mongod`` and ``ReplicaSet``."""

from ._node import Node
from ._servers import Mongod, ReplicaSet
from ._source import find_binary

__all__ = ["Mongod", "Node", "ReplicaSet", "find_binary"]
