"""Sound to events: where sound comes from, and how notes are heard in it."""
