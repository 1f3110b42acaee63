"""The commands of ``python -m sweep``, one per module."""
