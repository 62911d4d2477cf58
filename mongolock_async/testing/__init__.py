"""Real MongoDB servers for tests: ``Mongod`` and ``ReplicaSet``."""

from ._node import Node
from ._servers import Mongod, ReplicaSet

__all__ = ["Mongod", "Node", "ReplicaSet"]
