// Copyright 2026 improv_ros maintainers
// SPDX-License-Identifier: Apache-2.0

// The notes that are shown: heard, planned and played, paired from events as they come.
const MATCH = 320; // ms between a plan and the same note played, at the most
const SAME = 120; // ms between a note as heard and as confirmed, at the most
const DOUBT = 600; // ms after which a heard note that was passed over vanishes
const KEPT = 75000; // ms of the past
const MOST = 12000; // notes

export class Score {
  constructor() { this.clear(); }

  clear() {
    this.heard = [];
    this.plans = [];
    this.played = [];
    this.pedals = { h: [], g: [], p: [] };
    this.strikes = [];
    this.open = { h: new Map(), g: new Map(), p: new Map(), s: new Map() };
    this.hasBody = false;
    this.hasPlayer = false;
    this.latest = -Infinity;
    this.confirmed = new Map(); // confirmed notes that sound, by pitch
    this.confirmedUntil = -Infinity;
  }

  // An event: [source, kind, pitch or value, velocity, ms]; `now` is when it is taken in.
  take([source, kind, pitch, velocity, time], now) {
    if (source === 'h' || source === 'p') this.latest = Math.max(this.latest, time);
    if (source === 'c') return kind === 'n' && this.confirm(pitch, velocity, time);
    if (source === 'b') return this.commit(kind, pitch, velocity, time);
    if (kind === 'n') return velocity ? this.press(source, pitch, velocity, time) : this.release(source, pitch, time);
    if (kind === 'c') return this.pedal(source, pitch, time);
    return this.withdraw(source, time, now);
  }

  list(source) { return { h: this.heard, g: this.plans, p: this.played, s: this.strikes }[source]; }

  press(source, pitch, velocity, time) {
    this.release(source, pitch, time);
    const note = { pitch, velocity, start: time, end: Infinity, source, plan: null, fate: '', changed: 0 };
    this.list(source).push(note);
    this.open[source].set(pitch, note);
    if (source === 'p') {
      this.hasPlayer = true;
      const plan = nearest(this.plans, pitch, time, (p) => p.fate === '' || p.fate === 'certain');
      if (plan) {
        note.plan = plan;
        plan.fate = 'played';
      }
    }
    return note;
  }

  release(source, pitch, time) {
    const note = this.open[source].get(pitch);
    if (!note) return;
    note.end = Math.max(note.start + 1, time);
    this.open[source].delete(pitch);
  }

  // What was heard is now known surely: it gets its right time, or was not heard and comes late.
  confirm(pitch, velocity, time) {
    this.confirmedUntil = Math.max(this.confirmedUntil, time);
    const before = this.confirmed.get(pitch);
    if (before) before.end = Math.max(before.start + 1, time);
    this.confirmed.delete(pitch);
    if (!velocity) return;
    let note = nearest(this.heard, pitch, time, (n) => n.fate === '', SAME);
    if (!note) {
      note = { pitch, velocity, start: time, end: Infinity, source: 'h', plan: null, fate: '', changed: 0 };
      this.heard.push(note);
    }
    Object.assign(note, { velocity, start: time, fate: 'confirmed' });
    this.confirmed.set(pitch, note);
  }

  // Heard notes that were not confirmed, though later ones were, vanish.
  doubt(now) {
    for (let i = this.heard.length - 1; i >= 0 && this.heard[i].start > now - 10 * DOUBT; i -= 1) {
      const note = this.heard[i];
      if (note.fate !== '' || note.start > now - DOUBT || note.start > this.confirmedUntil - SAME) continue;
      note.fate = 'withdrawn';
      note.changed = now;
      if (note.end === Infinity) note.end = now;
    }
  }

  pedal(source, value, time) {
    const bands = this.pedals[source];
    if (!bands) return;
    const last = bands[bands.length - 1];
    if (value && !(last && last.end === Infinity)) bands.push({ start: time, end: Infinity });
    else if (!value && last && last.end === Infinity) last.end = time;
  }

  // What a body has taken on cannot be withdrawn any more.
  commit(kind, pitch, velocity, time) {
    this.hasBody = true;
    if (kind !== 'n' || !velocity) return;
    const plan = nearest(this.plans, pitch, time, (p) => p.fate === '', 700);
    if (plan) plan.fate = 'certain';
  }

  withdraw(source, time, now) {
    for (const note of this.list(source)) {
      if (note.start >= time && (note.fate === '' || note.fate === 'certain')) {
        note.fate = 'withdrawn';
        note.changed = now;
        if (note.end === Infinity) note.end = note.start + 300;
      } else if (note.end > time) note.end = Math.max(note.start + 1, time);
    }
    this.open[source].clear();
    this.pedal(source, 0, time);
  }

  forget(now) {
    this.doubt(now);
    for (const list of [this.heard, this.plans, this.played, this.strikes, ...Object.values(this.pedals)]) {
      let gone = 0;
      while (gone < list.length && (list[gone].end < now - KEPT || list.length - gone > MOST)) gone += 1;
      if (gone) list.splice(0, gone);
    }
  }

  // Which keys are down: a map of pitch to the velocity.
  down(source, now) {
    const keys = new Map();
    for (const note of this.list(source)) {
      if (note.start <= now && note.end > now && note.fate !== 'withdrawn') keys.set(note.pitch, note.velocity);
    }
    return keys;
  }
}

function nearest(plans, pitch, time, fits, within = MATCH) {
  let best = null;
  for (let i = plans.length - 1; i >= 0 && i > plans.length - 400; i -= 1) {
    const plan = plans[i];
    const off = Math.abs(plan.start - time);
    if (plan.pitch === pitch && off < within && fits(plan) && (!best || off < Math.abs(best.start - time))) best = plan;
  }
  return best;
}
