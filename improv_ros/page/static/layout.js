// Copyright 2026 improv_ros maintainers
// SPDX-License-Identifier: Apache-2.0

// Where keys and moments are: a piano keyboard along one side, time along the other.
const WHITE = [0, 0, 1, 1, 2, 3, 3, 4, 4, 5, 5, 6]; // white keys of the octave below each key
const BLACK = { 1: 0.93, 3: 2.07, 6: 3.9, 8: 5, 10: 6.1 }; // centres, in white keys
const THIN = 0.58; // width of a black key
export const FRONT = 0.38; // how far, of a white key, black keys stay from its front edge

export const NAMES = ['C', 'C♯', 'D', 'E♭', 'E', 'F', 'F♯', 'G', 'A♭', 'A', 'B♭', 'B'];
export const nameOf = (pitch) => NAMES[pitch % 12] + (Math.floor(pitch / 12) - 1);
export const isBlack = (pitch) => pitch % 12 in BLACK;

// The two edges of a key, in white keys above C-1.
export function edges(pitch) {
  const octave = 7 * Math.floor(pitch / 12);
  const centre = BLACK[pitch % 12];
  if (centre === undefined) return [octave + WHITE[pitch % 12], octave + WHITE[pitch % 12] + 1];
  return [octave + centre - THIN / 2, octave + centre + THIN / 2];
}

export class Layout {
  constructor() {
    this.horizontal = true;
    this.low = edges(36)[0];
    this.high = edges(96)[1];
    this.resize(800, 400);
  }

  resize(width, height) {
    this.width = width;
    this.height = height;
  }

  arrange(past, future) {
    const along = this.horizontal ? this.width : this.height;
    const across = this.horizontal ? this.height : this.width;
    this.unit = across / (this.high - this.low);
    const reach = this.horizontal ? Math.min(90, 0.13 * along) : Math.max(64, Math.min(170, 0.2 * along, 5.4 * this.unit));
    this.keys = Math.round(reach); // length of the keys
    this.perMs = (along - this.keys) / (past + future);
    this.nowAt = this.horizontal ? this.keys + past * this.perMs : future * this.perMs;
  }

  // Position along the time axis, and of a key's near edge and size along the other.
  along(time, now) {
    const way = (time - now) * this.perMs;
    return this.horizontal ? this.nowAt + way : this.nowAt - way;
  }

  lane(pitch) {
    const [low, high] = edges(pitch);
    const size = (high - low) * this.unit;
    const near = this.horizontal ? this.height - (high - this.low) * this.unit : (low - this.low) * this.unit;
    return [near, size];
  }

  // The rectangle of a note from `start` to `end`: [x, y, width, height].
  box(pitch, start, end, now) {
    let [near, size] = this.lane(pitch);
    if (!isBlack(pitch)) {
      near += 0.09 * size;
      size *= 0.82;
    }
    const a = this.along(start, now);
    const b = this.along(end, now);
    return this.horizontal ? [a, near, b - a, size] : [near, b, size, a - b];
  }

  // The key under a point, and how far towards its front edge it is touched (0 to 1).
  keyAt(x, y) {
    const depth = this.horizontal ? x : this.height - y;
    if (depth < 0 || depth > this.keys) return null;
    const place = this.horizontal ? this.low + (this.height - y) / this.unit : this.low + x / this.unit;
    const octave = Math.floor(place / 7);
    const away = depth / this.keys; // from the front edge
    const back = away > FRONT;
    const pitches = [];
    for (let pitch = 12 * octave - 1; pitch <= 12 * octave + 12; pitch += 1) {
      const [low, high] = edges(pitch);
      if (pitch >= 0 && pitch < 128 && low <= place && place < high) pitches.push(pitch);
    }
    const pitch = pitches.find((p) => isBlack(p) && back) ?? pitches.find((p) => !isBlack(p));
    if (pitch === undefined || pitch < 21 || pitch > 108) return null;
    const front = isBlack(pitch) ? (1 - away) / (1 - FRONT) : 1 - away;
    return { pitch, front: Math.min(1, Math.max(0, front)) };
  }
}
