"""The commands `marginalia serve` and `marginalia code`."""

__all__: list[str] = []
