"""Events to new events: the vocabulary, the network, sampling, and when to speak."""

from improv_ros.inference.errors import ModelError

from .conversation import Conversation
from .model import Model, load_model
from .settings import MODES, Settings

__all__ = ['MODES', 'Conversation', 'Model', 'ModelError', 'Settings', 'load_model']
