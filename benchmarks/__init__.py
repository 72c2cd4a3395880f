"""Benchmarks of django-dance and of other libraries: ``python -m benchmarks``."""
