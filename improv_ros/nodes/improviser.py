"""The improviser node: `heard_notes` in, an answer on `generated_notes` ahead of time."""

from __future__ import annotations

from dataclasses import fields
import sys
import time

from std_srvs.srv import Trigger

from improv_ros.event_text import TimedEvent
from improv_ros.improvising.conversation import Conversation, Settings
from improv_ros.improvising.runtime import ModelError, load_model
from improv_ros.nodes.latency import LatencyFigures
from improv_ros.nodes.managed_node import ManagedNode, NotReadyError, run
from improv_ros.nodes.note_topics import NoteListener, NotePublisher
from improv_ros.nodes.parameters import Setting

TICK = 0.01  # seconds between two looks at whether there is something to say

SETTINGS = (
    Setting('model', '', 'Network file (.tflite or .keras); empty: the shipped one'),
    Setting('seed', -1, 'Seed of the improvisation; -1: another one each time', '', -1, 2**31 - 1),
)
