# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Begins the training of a transcriber's network with the weights of a smaller one."""

from pathlib import Path
from typing import Any

from keras import ops
import numpy as np

from improv_ros.listening.transcription.transcription_network import PARTIALS
from improv_ros.listening.transcription.transcription_runtime import load_network


def start_from(network: Any, path: Path) -> None:
    """Assign a network the weights of a `.keras` file, whose network may have fewer units.

    The outputs stay those of the file: the old units do not read the additional ones, whose
    other weights stay random (Chen, Goodfellow and Shlens, "Net2Net", ICLR 2016, copy units
    instead). A second stage that the file does not have repeats the outputs of the first stage.

    Raises ModelError for a file without a transcriber's network, and ValueError for a network
    that does not fit into this one.
    """
    smaller = load_network(path)
    if (smaller.channels, smaller.early_delays) != (network.channels, network.early_delays):
        raise ValueError(f'{path} has other channels or other delays than the network to train')
    if smaller.units > network.units:
        raise ValueError(f'{path} has {smaller.units} units, more than {network.units}')
    if smaller.late_delays not in ((), network.late_delays):
        raise ValueError(f'{path} has the late delays {smaller.late_delays}')
    ours = _weights(network)
    for name, old in _weights(smaller).items():
        new = ops.convert_to_numpy(ours[name])
        ours[name].assign(_widened(name, new, ops.convert_to_numpy(old), smaller.units))


def _weights(network: Any) -> dict[str, Any]:
    """Return the variables of a network by the attribute of their layer and their name."""
    found = {variable.name: variable for variable in network.trainable_variables}
    for name, layer in network.named_layers.items():
        found |= {f'{name}/{each.name}': each for each in layer.trainable_variables}
    return {name: each for name, each in found.items() if name not in ('kernel', 'bias')}


def _widened(name: str, new: np.ndarray, old: np.ndarray, units: int) -> np.ndarray:
    """Return new weights with the old ones in place, whose outputs do not read the new inputs."""
    places = [
        _places(name, axis, ours, theirs, units)
        for axis, (ours, theirs) in enumerate(zip(new.shape, old.shape, strict=True))
    ]
    new = new.copy()
    new[..., places[-1]] = 0
    new[np.ix_(*places)] = old
    return new


def _places(name: str, axis: int, ours: int, theirs: int, units: int) -> np.ndarray:
    """Return the indices of the old places of an axis among the new ones."""
    if ours == theirs:
        return np.arange(ours)
    if theirs == 3 * units:  # the gates side by side
        return (np.arange(3)[:, None] * (ours // 3) + np.arange(units)).ravel()
    # The features of the related keys come before the units of the key itself.
    assert theirs in (units, units + 8 * len(PARTIALS)), (name, axis)
    return np.arange(theirs)
