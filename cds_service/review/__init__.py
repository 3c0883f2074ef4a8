"""The coded review: pure functions over typed values. No I/O, no Flask, no SQLAlchemy."""

__all__: list[str] = []
