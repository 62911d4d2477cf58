"""For tests: real MongoDB servers, ``Mongod`` and ``ReplicaSet``, and locks without one, ``MemoryLocks``."""

from mongolock_async._memory.locks import MemoryLocks

from ._node import Node
from ._servers import Mongod, ReplicaSet
from ._source import find_binary

__all__ = ["MemoryLocks", "Mongod", "Node", "ReplicaSet", "find_binary"]
