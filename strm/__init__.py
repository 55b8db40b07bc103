"""S-TRM: a Stateful Tiny Recursive Model that reads fingerspelling from 21 hand landmarks."""

__version__ = "0.1.0"
