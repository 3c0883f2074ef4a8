"""One file a step, each forward and back."""
