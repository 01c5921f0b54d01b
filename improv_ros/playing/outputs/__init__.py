"""What events are played on; each output is one small class of the same shape (output.py)."""
