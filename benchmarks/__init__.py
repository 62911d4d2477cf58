"""What the package costs, beside the bare commands: ``python -m benchmarks``."""
