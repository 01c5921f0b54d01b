class SynthesisError(ValueError):
    """Something asked for that cannot be made; the message says what and what helps."""
