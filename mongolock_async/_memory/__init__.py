"""The backend in memory: the same document and the same changes, in plain Python."""
