# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The transcriber's network over a window with matrix products in bfloat16, for PyTorch on CPUs.

It computes what `TranscriptionNetwork.read` computes, from the same weights, for Keras's PyTorch
backend. Processors with AMX multiply matrices in bfloat16 several times as fast as in float32.
Weights, their gradients, logits and the state of the GRU stay float32 (Micikevicius et al., "Mixed
precision training", ICLR 2018). The gradients are written out, because automatic ones copy the
gathered partials many times.
"""

from collections.abc import Sequence
from typing import Any

from keras import layers
import torch
from torch import Tensor
from torch.nn import functional

from improv_ros.listening.transcription.estimator import OUTPUTS, PITCHES
from improv_ros.listening.transcription.second_stage import LATE_PAST, LATE_TAPS, REPORT_CHANNELS
from improv_ros.listening.transcription.spectra import SEMITONES
from improv_ros.listening.transcription.transcription_network import (
    PARTIALS,
    State,
    TranscriptionNetwork,
)

_HALF = torch.bfloat16


def read(network: TranscriptionNetwork, spectra: Tensor, state: State) -> tuple[Tensor, State]:
    """Process a window of hops like `TranscriptionNetwork.read`, with products in bfloat16."""
    spectra = torch.cat([state.spectra, spectra], 1)
    attack = _convolve(network.attack, spectra.to(_HALF), 2)
    attack = _scaled_relu(attack, network.bands)
    streams, hops = attack.shape[:2]
    kernel = network.semitone.kernel.value
    semitones = _Dense.apply(
        attack.reshape(streams, hops, SEMITONES, -1),
        kernel.reshape(-1, kernel.shape[-1]),
        network.semitone.bias.value,
        True,
    )
    semitones = torch.cat([state.semitones.to(_HALF), semitones], 1)
    change = _scaled_relu(_convolve(network.change, semitones, 1), network.semitones)
    overall = torch.cat([change.mean(2), change.amax(2)], -1)
    key_inputs = _dense(
        network.harmonics, _gather_partials(_dense(network.squeeze, change), SEMITONES)
    )
    key_inputs = key_inputs + _dense(network.surroundings, overall)[:, :, None]
    key_inputs = _scaled_relu(key_inputs, network.keys)
    by_hop = key_inputs.transpose(0, 1).reshape(hops, streams * PITCHES, network.units)
    memory, last = _Gru.apply(
        _dense(network.gates_heard, by_hop),
        state.memory.reshape(streams * PITCHES, network.units),
        network.gates_remembered.kernel.value,
        network.gates_remembered.bias.value,
    )
    memory = memory.view(hops, streams, PITCHES, network.units).transpose(0, 1)
    mentioned = _gather_partials(_dense(network.mention, memory), PITCHES)
    together = _dense(network.neighbours, torch.cat([mentioned, memory], -1), relu=True)
    logits = _dense(network.beliefs, together).float() + network.output_bias.value
    reports = state.reports
    if network.late_delays:
        late, reports = _late_logits(network, together, logits, reports)
        logits = torch.cat([logits, late], -1)
    past = State(spectra[:, -2:], semitones[:, -2:].float(), last.view_as(state.memory), reports)
    return logits.view(streams, hops, PITCHES, -1, len(OUTPUTS)), past


def _late_logits(
    network: TranscriptionNetwork, together: Tensor, early: Tensor, past: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the logits of the late delays and the next past reports."""
    hops = together.shape[1]
    report = _dense(network.report, together, relu=True)
    features = torch.cat([past[..., :REPORT_CHANNELS].to(_HALF), report], 1)
    longest = torch.cat([past[..., REPORT_CHANNELS:], early[..., -len(OUTPUTS) :]], 1)
    taps = _Gather.apply(features, 1, [LATE_PAST - tap for tap in LATE_TAPS], hops)
    review = _dense(network.review, taps, relu=True)
    mentioned = _gather_partials(_dense(network.late_mention, review), PITCHES)
    review = _dense(network.late_neighbours, torch.cat([mentioned, review], -1), relu=True)
    starts = [LATE_PAST - delay + max(network.early_delays) for delay in network.late_delays]
    before = torch.cat([longest[:, start : start + hops] for start in starts], -1)
    corrections = _dense(network.corrections, review).float() + network.late_output_bias.value
    reports = torch.cat([features[:, -LATE_PAST:].float(), longest[:, -LATE_PAST:]], -1)
    return before + corrections, reports


def _dense(layer: layers.Dense, inputs: Tensor, relu: bool = False) -> Tensor:
    return _Dense.apply(inputs, layer.kernel.value, layer.bias.value, relu)


def _scaled_relu(inputs: Tensor, places: tuple[Any, Any]) -> Tensor:
    gain, bias = places
    return _ScaledRelu.apply(inputs, gain.value, bias.value)


def _convolve(layer: layers.Conv2D, inputs: Tensor, padding: int) -> Tensor:
    """Apply a convolution over hops and places, padded at both ends of the places."""
    kernel = layer.kernel.value.permute(3, 2, 0, 1).to(_HALF)
    outputs = functional.conv2d(inputs.permute(0, 3, 1, 2), kernel, padding=(0, padding))
    return outputs.permute(0, 2, 3, 1)


def _gather_partials(places: Tensor, count: int) -> Tensor:
    """Concatenate for each key the features at its partials, of `count` semitone places."""
    below = -min(PARTIALS)
    wide = functional.pad(places, (0, 0, below, max(PARTIALS) + PITCHES - count))
    return _Gather.apply(wide, 2, [below + shift for shift in PARTIALS], PITCHES)


class _Gather(torch.autograd.Function):
    """Concatenates, along the last axis, the slices of another axis that begin at `starts`."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, axis: int, starts: Sequence[int], length: int) -> Tensor:
        ctx.places, ctx.shape = (axis, starts, length), inputs.shape
        return torch.cat([inputs.narrow(axis, start, length) for start in starts], -1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        axis, starts, length = ctx.places
        # Contiguous summands: adding strided slices takes ten times as long.
        parts = gradient.view(*gradient.shape[:-1], len(starts), -1).movedim(-2, 0).contiguous()
        total = torch.zeros(ctx.shape)
        for start, part in zip(starts, parts, strict=True):
            total.narrow(axis, start, length).add_(part)
        return total.to(_HALF), None, None, None


class _Dense(torch.autograd.Function):
    """A dense layer, with a ReLU if so asked; inputs and outputs bfloat16, weights float32."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, kernel: Tensor, bias: Tensor, relu: bool) -> Tensor:
        rows, half = inputs.reshape(-1, inputs.shape[-1]), kernel.to(_HALF)
        outputs = torch.addmm(bias.to(_HALF), rows, half)
        if relu:
            outputs.relu_()
        ctx.save_for_backward(rows, half, outputs if relu else None)
        ctx.shape = inputs.shape
        return outputs.view(*inputs.shape[:-1], -1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        rows, half, outputs = ctx.saved_tensors
        gradient = gradient.reshape(len(rows), -1)
        if outputs is not None:
            gradient = torch.ops.aten.threshold_backward(gradient, outputs, 0)
        inputs = (gradient @ half.t()).view(ctx.shape) if ctx.needs_input_grad[0] else None
        if not ctx.needs_input_grad[1]:
            return inputs, None, None, None
        kernel = (rows.t() @ gradient).float()
        return inputs, kernel, gradient.sum(0).float(), None


class _ScaledRelu(torch.autograd.Function):
    """A ReLU with a gain and a bias per channel and place, (places, channels)."""

    @staticmethod
    def forward(ctx: Any, inputs: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
        half = gain.to(_HALF)
        outputs = torch.addcmul(bias.to(_HALF), inputs, half).relu_()
        ctx.save_for_backward(inputs, half, outputs)
        return outputs

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
        inputs, gain, outputs = ctx.saved_tensors
        gradient = torch.ops.aten.threshold_backward(gradient, outputs, 0)
        if not ctx.needs_input_grad[1]:
            return gradient * gain, None, None
        bias = gradient.sum((0, 1)).float()
        gains = (gradient * inputs).sum((0, 1)).float()
        return gradient.mul(gain) if ctx.needs_input_grad[0] else None, gains, bias


class _Gru(torch.autograd.Function):
    """The GRU over the hops of a window, with back-propagation to the start of the window.

    new: the gates' share of the input, bfloat16 (hops, rows, 3 * units). memory: float32
    (rows, units). Returns the states, bfloat16 (hops, rows, units), and the last one, float32.
    """

    @staticmethod
    def forward(
        ctx: Any, new: Tensor, memory: Tensor, kernel: Tensor, bias: Tensor
    ) -> tuple[Tensor, Tensor]:
        hops, rows, width = new.shape
        units, half, half_bias = width // 3, kernel.to(_HALF), bias.to(_HALF)
        states = new.new_empty(hops + 1, rows, units)
        gates, old = torch.empty_like(new), torch.empty_like(new)
        states[0] = memory
        for hop in range(hops):
            torch.addmm(half_bias, states[hop], half, out=old[hop])
            both = torch.sigmoid(new[hop, :, : 2 * units].float() + old[hop, :, : 2 * units])
            keep, reset = both[:, :units], both[:, units:]
            proposed = torch.addcmul(
                new[hop, :, 2 * units :].float(), reset, old[hop, :, 2 * units :].float()
            ).tanh_()
            memory = torch.lerp(proposed, memory, keep)
            states[hop + 1] = memory
            gates[hop, :, : 2 * units] = both
            gates[hop, :, 2 * units :] = proposed
        ctx.save_for_backward(states, gates, old, half)
        ctx.mark_non_differentiable(memory)
        return states[1:], memory

    @staticmethod
    def backward(ctx: Any, gradient: Tensor, _: Any) -> tuple[Any, ...]:
        states, gates, old, half = ctx.saved_tensors
        hops, rows, width = gates.shape
        units = width // 3
        back = half.t().contiguous()
        of_new, of_old = torch.empty_like(gates), torch.empty_like(gates)
        carried = torch.zeros(rows, units)
        for hop in range(hops - 1, -1, -1):
            carried += gradient[hop]
            keep, reset, proposed = gates[hop].float().split(units, -1)
            of_proposed = carried * (1 - keep) * (1 - proposed * proposed)
            of_keep = carried * (states[hop] - proposed) * keep * (1 - keep)
            of_reset = of_proposed * old[hop, :, 2 * units :] * reset * (1 - reset)
            gate = torch.cat([of_keep, of_reset, of_proposed], -1)
            of_new[hop] = gate
            gate[:, 2 * units :] *= reset
            of_old[hop] = gate
            carried = carried * keep + of_old[hop] @ back
        flat = of_old.view(-1, width)
        kernel = (states[:hops].reshape(-1, units).t() @ flat).float()
        return of_new, None, kernel, flat.sum(0).float()
