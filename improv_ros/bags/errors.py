"""What can be wrong with a bag."""


class BagError(ValueError):
    """A bag that cannot be written or read: a sentence which names it and the reason."""
