// Copyright 2026 improv_ros maintainers
// SPDX-License-Identifier: Apache-2.0

// Whose turn it is, as a shape: a ring that closes while the pause runs out.
const COLOURS = { hearing: '#56b4e9', pausing: '#56b4e9', thinking: '#ffa62b', answering: '#ffa62b', accompanying: '#ffa62b', soloing: '#ffa62b', yielding: '#e9edf3', stopped: '#ff7b6b', deaf: '#f2d14e' };

export function drawRing(canvas, turn, now) {
  const box = canvas.getBoundingClientRect();
  const scale = Math.min(window.devicePixelRatio || 1, 2);
  const size = Math.max(8, Math.round(box.width * scale));
  if (canvas.width !== size) canvas.width = canvas.height = size;
  const c = canvas.getContext('2d');
  const middle = size / 2;
  const radius = size * 0.4;
  const colour = COLOURS[turn.state] ?? '#a3afbf';
  c.clearRect(0, 0, size, size);
  c.lineWidth = size * 0.11;
  c.lineCap = 'round';
  c.strokeStyle = '#2a3240';
  c.beginPath();
  c.arc(middle, middle, radius, 0, 7);
  c.stroke();
  c.fillStyle = c.strokeStyle = colour;
  const beat = 0.5 + 0.5 * Math.sin(now / 260);
  c.beginPath();
  switch (turn.state) {
    case 'pausing': {
      const share = Math.min(1, Math.max(0.02, (now - turn.since) / (turn.until - turn.since)));
      c.arc(middle, middle, radius, -Math.PI / 2, -Math.PI / 2 + 2 * Math.PI * share);
      c.stroke();
      break;
    }
    case 'thinking':
      c.arc(middle, middle, radius, now / 200, now / 200 + 4.6);
      c.stroke();
      break;
    case 'hearing':
      c.arc(middle, middle, size * (0.17 + 0.05 * beat), 0, 7);
      c.fill();
      break;
    case 'answering': case 'accompanying': case 'soloing':
      c.arc(middle, middle, radius, 0, 7);
      c.stroke();
      c.beginPath();
      c.moveTo(middle - size * 0.1, middle - size * 0.15);
      c.lineTo(middle + size * 0.17, middle);
      c.lineTo(middle - size * 0.1, middle + size * 0.15);
      c.fill();
      break;
    case 'yielding':
      c.arc(middle, middle, radius, Math.PI * 0.6, Math.PI * 1.4);
      c.stroke();
      break;
    case 'stopped':
      c.rect(middle - size * 0.14, middle - size * 0.14, size * 0.28, size * 0.28);
      c.fill();
      break;
    case 'deaf':
      c.lineWidth = size * 0.09;
      c.moveTo(middle, middle - size * 0.2);
      c.lineTo(middle, middle + size * 0.05);
      c.stroke();
      c.beginPath();
      c.arc(middle, middle + size * 0.2, size * 0.05, 0, 7);
      c.fill();
      break;
    default:
      c.arc(middle, middle, size * (0.055 + 0.02 * beat), 0, 7);
      c.fill();
  }
}

// The input level, -60 to 0 dBFS: green, yellow from -12, red where it clips.
export function drawLevel(canvas, level, state) {
  const scale = Math.min(window.devicePixelRatio || 1, 2);
  const box = canvas.getBoundingClientRect();
  const width = Math.max(1, Math.round(box.width * scale));
  const height = Math.max(1, Math.round(box.height * scale));
  if (canvas.width !== width || canvas.height !== height) Object.assign(canvas, { width, height });
  const share = (db) => Math.min(1, Math.max(0, (db + 60) / 60));
  state.shown = Math.max(share(level.peak), (state.shown ?? 0) * 0.93);
  state.held = state.shown >= (state.held ?? 0) ? state.shown : state.held - 0.003;
  const c = canvas.getContext('2d');
  c.fillStyle = '#252d39';
  c.fillRect(0, 0, width, height);
  c.fillStyle = level.clipped ? '#ff7b6b' : level.peak > -12 ? '#f2d14e' : '#6fcf97';
  c.fillRect(0, 0, width * state.shown, height);
  c.fillStyle = '#ffffff';
  if (state.held > 0.01) c.fillRect(Math.min(width - 2 * scale, width * state.held), 0, 2 * scale, height);
}
