"""Notes to the motions of a body: what it can play, with which striker, and when to command it."""
