"""Speed and size: how long a hook call takes, how many the service answers, how much memory it takes, how fast it starts."""

__all__: list[str] = []
