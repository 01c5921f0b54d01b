class PlayingError(RuntimeError):
    """A port, synth, soundfont or file cannot be used; the message names it and the remedy."""
