"""What is wrong with a model."""


class ModelError(ValueError):
    """A model file that cannot be run; the message says which file, why and what helps."""
