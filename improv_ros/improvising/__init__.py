# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""From heard events to new ones: the vocabulary, the network, sampling, turn-taking."""

from improv_ros.improvising.dialogue.dialogue import Dialogue
from improv_ros.improvising.dialogue.improviser_settings import MODES, ImproviserSettings
from improv_ros.improvising.network.improviser_model import Model, load_model
from improv_ros.inference.model_error import ModelError

__all__ = ['MODES', 'Dialogue', 'ImproviserSettings', 'Model', 'ModelError', 'load_model']
