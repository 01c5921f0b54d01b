// Copyright 2026 improv_ros maintainers
// SPDX-License-Identifier: Apache-2.0

// The piano roll: past, now and future in time, and the keyboard that lights for both.
import { Layout, NAMES, FRONT, isBlack, edges } from './layout.js';

const LEVELS = 8; // shades of strength
const VANISH = 700; // ms in which a withdrawn note goes
const PAST = 6000; // ms shown before now, on a wide screen
const RELAX = 15000; // ms for which the range stays wide
const HEARD = [86, 180, 233];
const ROBOT = [255, 166, 43];
const BACK = [11, 14, 19];

const mix = (a, b, share) => a.map((v, i) => Math.round(v + (b[i] - v) * share));
const css = (c, alpha = 1) => (alpha === 1 ? `rgb(${c.join(',')})` : `rgba(${c.join(',')},${alpha})`);
// Strength: from a dull to a bright shade of the same hue, and to nearly white at the loudest.
const shades = (colour) => Array.from({ length: LEVELS }, (_, i) => {
  const share = i / (LEVELS - 1);
  return css(share < 0.75 ? mix(BACK, colour, 0.5 + 0.5 * (share / 0.75)) : mix(colour, [255, 255, 255], (share - 0.75) * 1.5));
});
const SOLID = { h: shades(HEARD), p: shades(ROBOT) };
const PALE = { h: css(HEARD, 0.2), p: css(ROBOT, 0.2) };
const FAINT = css(HEARD, 0.45); // heard, not confirmed yet
const EDGE = { h: css(HEARD, 0.7), p: css(ROBOT, 0.75) };

export class Roll {
  constructor(canvas, score) {
    this.canvas = canvas;
    this.context = canvas.getContext('2d', { alpha: false });
    this.score = score;
    this.layout = new Layout();
    this.fixed = null; // a range of pitches, where it is not to follow the music
    this.future = 1200;
    this.certain = 0; // ms ahead of now from which nothing can be withdrawn in time
    this.view = null; // 'roll' or 'fall', where it is not to follow the screen's shape
    this.wide = { low: 48, high: 84, until: 0 };
    this.pressed = new Map();
    this.hint = null; // lines of text
    this.drawn = 0; // notes in the last picture
    new ResizeObserver(() => this.resize()).observe(canvas);
    this.resize();
  }

  resize() {
    const box = this.canvas.getBoundingClientRect();
    this.scale = Math.min(window.devicePixelRatio || 1, 2);
    this.canvas.width = Math.max(1, Math.round(box.width * this.scale));
    this.canvas.height = Math.max(1, Math.round(box.height * this.scale));
    this.layout.resize(Math.max(1, box.width), Math.max(1, box.height));
  }

  get horizontal() {
    if (this.view) return this.view === 'roll';
    return this.layout.width > 1.15 * this.layout.height;
  }

  // Let the range follow what is on the screen: wider at once, narrower by and by.
  follow(now) {
    const { layout, wide } = this;
    let [low, high] = this.fixed ?? [108, 21];
    if (!this.fixed) {
      for (const list of [this.score.heard, this.score.plans, this.score.played]) {
        for (let i = list.length - 1; i >= 0 && list[i].start > now - RELAX; i -= 1) {
          low = Math.min(low, list[i].pitch);
          high = Math.max(high, list[i].pitch);
        }
      }
      const least = layout.width < 600 && !layout.horizontal ? 17 : 35;
      if (low > high) [low, high] = [48 + (least < 20 ? 7 : 0), 84 - (least < 20 ? 8 : 0)];
      low -= 2;
      high += 2;
      if (high - low < least) {
        const middle = (low + high) / 2;
        [low, high] = [middle - least / 2, middle + least / 2];
      }
      low = Math.max(21, Math.floor(low));
      high = Math.min(108, Math.ceil(high));
      if (low < wide.low || high > wide.high || now > wide.until) {
        if (now > wide.until) Object.assign(wide, { low, high });
        wide.low = Math.min(wide.low, low);
        wide.high = Math.max(wide.high, high);
        wide.until = now + RELAX / 2;
      }
      [low, high] = [wide.low, wide.high];
    }
    while (isBlack(low)) low -= 1;
    while (isBlack(high)) high += 1;
    const target = [edges(low)[0], edges(high)[1]];
    const step = this.fixed || !this.drewOnce ? 1 : 0.12;
    layout.low += (target[0] - layout.low) * step;
    layout.high += (target[1] - layout.high) * step;
    if (Math.abs(layout.low - target[0]) + Math.abs(layout.high - target[1]) < 0.01) [layout.low, layout.high] = target;
  }

  draw(now) {
    const { context: c, layout, score } = this;
    layout.horizontal = this.horizontal;
    this.follow(now);
    this.shownFuture = this.shownFuture === undefined ? this.future : this.shownFuture + (this.future - this.shownFuture) * 0.1;
    const past = layout.horizontal ? Math.max(3000, Math.min(PAST, layout.width * 6)) : Math.max(900, Math.min(2600, this.shownFuture * 1.1));
    layout.arrange(past, this.shownFuture);
    this.drewOnce = true;
    c.setTransform(this.scale, 0, 0, this.scale, 0, 0);
    c.fillStyle = css(BACK);
    c.fillRect(0, 0, layout.width, layout.height);
    this.drawLanes(c, now, past);
    this.drawPedals(c, now);
    this.drawn = 0;
    this.shapes = new Map();
    this.outlines = new Map();
    this.collectPlans(c, now);
    this.collect(score.heard, 'h', now);
    this.collect(score.played, 'p', now);
    this.paint(c);
    if (!this.drawn) this.drawHint(c);
    this.drawNow(c);
    this.drawKeyboard(c, now);
  }

  // The rectangle between two moments, across all keys.
  strip(a, b) {
    const { layout } = this;
    return layout.horizontal ? [a, 0, b - a, layout.height] : [0, Math.min(a, b), layout.width, Math.abs(b - a)];
  }

  drawLanes(c, now, past) {
    const { layout } = this;
    const first = Math.floor(layout.low / 7) * 12;
    const last = Math.ceil(layout.high / 7) * 12;
    c.fillStyle = '#0f131a';
    for (let pitch = first; pitch < last; pitch += 1) {
      if (isBlack(pitch)) continue;
      const [near, size] = layout.lane(pitch);
      if (edges(pitch)[0] % 2 >= 1) layout.horizontal ? c.fillRect(0, near, layout.width, size) : c.fillRect(near, 0, size, layout.height);
    }
    c.fillStyle = '#1a202a';
    const second = 1000;
    for (let t = Math.ceil((now - past) / second) * second; t < now + this.shownFuture; t += second) {
      const at = Math.round(layout.along(t, now));
      c.fillRect(...this.strip(at, at + 1));
    }
    c.fillStyle = '#2c3644';
    c.font = '600 11px system-ui, sans-serif';
    for (let pitch = first; pitch <= last; pitch += 12) {
      const [near, size] = layout.lane(pitch);
      const at = Math.round(layout.horizontal ? near + size : near);
      layout.horizontal ? c.fillRect(0, at, layout.width, 1) : c.fillRect(at, 0, 1, layout.height);
    }
    // What has not come yet is another ground.
    c.fillStyle = 'rgba(255,166,43,0.035)';
    c.fillRect(...(layout.horizontal ? this.strip(layout.nowAt, layout.width) : this.strip(0, layout.nowAt)));
  }

  drawPedals(c, now) {
    const { layout } = this;
    const bands = [['h', HEARD, 0], [this.score.hasPlayer ? 'p' : 'g', ROBOT, 7]];
    for (const [source, colour, off] of bands) {
      c.fillStyle = css(colour, 0.5);
      for (const band of this.score.pedals[source]) {
        const a = layout.along(band.start, now);
        const b = layout.along(Math.min(band.end, band.end === Infinity ? Math.max(now, band.start) : band.end), now);
        if (layout.horizontal) c.fillRect(a, layout.height - 6 - off, b - a, 4);
        else c.fillRect(layout.width - 6 - off, b, 4, a - b);
      }
    }
  }

  // Add a note's rectangle to those of a style; false where nothing of it is on the screen.
  add(group, style, pitch, start, end, now) {
    const { layout } = this;
    const box = layout.box(pitch, start, end, now);
    if (box[0] > layout.width || box[1] > layout.height || box[0] + box[2] < 0 || box[1] + box[3] < 0) return false;
    const least = 3;
    if (layout.horizontal) box[2] = Math.max(least, box[2] - 1);
    else if (box[3] < least + 1) box[3] = least;
    else {
      box[1] += 1;
      box[3] -= 1;
    }
    const list = group.get(style);
    if (list) list.push(box);
    else group.set(style, [box]);
    return true;
  }

  collectPlans(c, now) {
    for (const plan of this.score.plans) {
      if (plan.fate === 'played') continue;
      const end = plan.end === Infinity ? Math.max(plan.start + 150, now) : plan.end;
      if (plan.fate === 'withdrawn') {
        this.vanish(plan, end, now);
      } else if (plan.start > now || !this.score.hasPlayer) {
        const certain = plan.fate === 'certain' || plan.start < now + this.certain;
        const style = certain ? SOLID.p[level(plan.velocity)] : PALE.p;
        if (this.add(this.shapes, style, plan.pitch, plan.start, end, now)) this.drawn += 1;
        if (!certain) this.add(this.outlines, EDGE.p, plan.pitch, plan.start, end, now);
      } else if (now - plan.start > 150 && plan.end !== Infinity) {
        this.add(this.outlines, 'rgba(255,166,43,0.3)', plan.pitch, plan.start, end, now); // it was never played
      }
    }
  }

  // A note that was withdrawn shrinks and is gone.
  vanish(note, end, now) {
    const share = 1 - (now - note.changed) / VANISH;
    if (share <= 0) return;
    const middle = (note.start + end) / 2;
    const half = ((end - note.start) / 2) * share;
    if (this.add(this.outlines, `rgba(255,255,255,${(0.9 * share).toFixed(1)})`, note.pitch, middle - half, middle + half, now)) this.drawn += 1;
  }

  collect(notes, source, now) {
    for (const note of notes) {
      let end = note.end;
      if (end === Infinity) end = Math.max(now, note.start);
      if (note.fate === 'withdrawn') {
        this.vanish(note, end, now);
        continue;
      }
      if (source === 'h' && note.fate === '' && !this.replay) { // not confirmed yet
        if (this.add(this.shapes, FAINT, note.pitch, note.start, end, now)) this.drawn += 1;
        this.add(this.outlines, EDGE.h, note.pitch, note.start, end, now);
        continue;
      }
      if (note.start > now + this.certain && !this.replay) {
        this.add(this.shapes, PALE[source], note.pitch, note.start, end, now);
        continue;
      }
      const shade = SOLID[source][level(note.velocity)];
      if (this.replay && note.start > now) {
        if (this.add(this.shapes, PALE[source], note.pitch, note.start, end, now)) this.drawn += 1;
        this.add(this.outlines, EDGE[source], note.pitch, note.start, end, now);
        continue;
      }
      const planned = note.plan && note.plan.end !== Infinity ? note.plan.end : 0;
      const rest = this.replay ? end : note.end === Infinity ? planned : 0;
      const solid = this.replay ? Math.min(end, Math.max(now, note.start)) : end;
      if (this.add(this.shapes, shade, note.pitch, note.start, solid, now)) this.drawn += 1;
      if (rest > now) this.add(this.shapes, PALE[source], note.pitch, Math.max(now, note.start), rest, now);
    }
  }

  paint(c) {
    for (const [style, boxes] of this.shapes) {
      c.fillStyle = style;
      c.beginPath();
      for (const [x, y, w, h] of boxes) {
        if (Math.min(w, h) > 5 && c.roundRect) c.roundRect(x, y, w, h, Math.min(4, w / 2, h / 2));
        else c.rect(x, y, w, h);
      }
      c.fill();
    }
    c.lineWidth = 1;
    for (const [style, boxes] of this.outlines) {
      c.strokeStyle = style;
      c.beginPath();
      for (const [x, y, w, h] of boxes) c.rect(x + 0.5, y + 0.5, Math.max(1, w - 1), Math.max(1, h - 1));
      c.stroke();
    }
  }

  // What to do, where there is nothing to see.
  drawHint(c) {
    const { layout } = this;
    if (!this.hint) return;
    const [x, y, width] = layout.horizontal
      ? [(layout.keys + layout.nowAt) / 2, layout.height / 2, layout.nowAt - layout.keys]
      : [layout.width / 2, layout.nowAt + (layout.height - layout.keys - layout.nowAt) / 2, layout.width];
    c.fillStyle = '#8793a3';
    c.textAlign = 'center';
    c.textBaseline = 'middle';
    this.hint.forEach((line, i) => {
      c.font = `${i ? 400 : 600} ${Math.min(i ? 17 : 24, width / (i ? 27 : 19))}px system-ui, sans-serif`;
      c.fillText(line, x, y + 32 * (i - (this.hint.length - 1) / 2));
    });
  }

  drawNow(c) {
    const { layout } = this;
    const at = Math.round(layout.nowAt);
    const glow = layout.horizontal ? c.createLinearGradient(at - 26, 0, at + 8, 0) : c.createLinearGradient(0, at + 26, 0, at - 8);
    glow.addColorStop(0, 'rgba(255,255,255,0)');
    glow.addColorStop(0.76, 'rgba(255,255,255,0.09)');
    glow.addColorStop(1, 'rgba(255,255,255,0)');
    c.fillStyle = glow;
    c.fillRect(...this.strip(layout.horizontal ? at - 26 : at - 8, layout.horizontal ? at + 8 : at + 26));
    c.fillStyle = '#ffffff';
    c.fillRect(...this.strip(at - 1, at + 1));
  }

  drawKeyboard(c, now) {
    const { layout, score } = this;
    const heard = score.down('h', now);
    for (const [pitch, velocity] of this.pressed) heard.set(pitch, velocity);
    const robot = score.hasPlayer ? score.down('p', now) : score.down('g', now);
    const soon = new Set(score.plans.filter((p) => p.fate === '' && p.start > now && p.start < now + 400).map((p) => p.pitch));
    const length = layout.keys;
    const across = layout.horizontal ? layout.height : layout.width;
    const place = (near, size, from, to) => (layout.horizontal ? [from, near, to - from, size] : [near, layout.height - to, size, to - from]);
    c.fillStyle = '#05070a';
    c.fillRect(...place(0, across, 0, length + 2));
    const first = Math.floor(layout.low / 7) * 12;
    const last = Math.ceil(layout.high / 7) * 12 + 1;
    for (const black of [false, true]) {
      for (let pitch = first; pitch < last; pitch += 1) {
        if (isBlack(pitch) !== black) continue;
        const [near, size] = layout.lane(pitch);
        const from = black ? FRONT * length : 0;
        const out = pitch < 21 || pitch > 108;
        const box = place(near + (black ? 0 : 0.5), size - (black ? 0 : 1), from, length);
        c.fillStyle = black ? (out ? '#0b0e13' : '#1b1f27') : out ? '#3c434d' : '#e4e8ee';
        c.fillRect(...box);
        const lights = [[heard, HEARD], [robot, ROBOT]].filter(([keys]) => keys.has(pitch));
        lights.forEach(([keys, colour], i) => {
          c.fillStyle = css(mix(colour, black ? [60, 50, 50] : [255, 255, 255], 0.28 * (1 - keys.get(pitch) / 127)));
          c.fillRect(...place(near + (i * size) / lights.length, size / lights.length - (black ? 0 : 1), from, length));
        });
        if (!lights.length && soon.has(pitch)) {
          c.fillStyle = css(ROBOT, black ? 0.5 : 0.6);
          c.fillRect(...place(near + size * 0.2, size * 0.6, length - 5, length));
        }
        if (black && !lights.length) {
          c.fillStyle = '#2c323d';
          c.fillRect(...place(near + size * 0.14, size * 0.72, from + 0.06 * length, length));
        }
        if (!black && pitch % 12 === 0 && size > 7) {
          c.fillStyle = lights.length ? '#10141b' : '#5a6675';
          c.font = `600 ${Math.min(12, Math.max(8, size * 0.5))}px system-ui, sans-serif`;
          const label = NAMES[0] + (pitch / 12 - 1);
          if (layout.horizontal) {
            c.textAlign = 'left';
            c.textBaseline = 'middle';
            c.fillText(label, 4, near + size / 2);
          } else {
            c.textAlign = 'center';
            c.textBaseline = 'alphabetic';
            c.fillText(label, near + size / 2, layout.height - 6);
          }
        }
      }
    }
  }
}

function level(velocity) { return Math.min(LEVELS - 1, Math.floor((velocity * LEVELS) / 128)); }
