"""What one process remembers and keeps going. Knows no MongoDB: it is given a backend and a clock."""
