// Copyright 2026 improv_ros maintainers
// SPDX-License-Identifier: Apache-2.0

// The robot's body: its joints where they are and where they go, its strikers, and what it keeps.
const ROBOT = '#ffa62b';

export class Body {
  constructor(canvas, score) {
    this.canvas = canvas;
    this.score = score;
    this.joints = [];
    this.points = [];
    this.ranges = [];
  }

  take(fact) {
    if (fact.joints.join() !== this.joints.join()) this.ranges = fact.joints.map(() => [Infinity, -Infinity]);
    this.joints = fact.joints;
    this.points = fact.points;
    for (const [, ...positions] of fact.points) {
      positions.forEach((p, i) => {
        this.ranges[i] = [Math.min(this.ranges[i][0], p), Math.max(this.ranges[i][1], p)];
      });
    }
  }

  get there() { return this.joints.length > 0 || this.score.strikes.length > 0; }

  // Where joint i is at a time: on the line between the points before and after it.
  at(i, time) {
    const { points } = this;
    if (!points.length) return 0;
    let k = 0;
    while (k < points.length && points[k][0] <= time) k += 1;
    if (k === 0) return points[0][i + 1];
    if (k === points.length) return points[k - 1][i + 1];
    const [a, b] = [points[k - 1], points[k]];
    return a[i + 1] + ((b[i + 1] - a[i + 1]) * (time - a[0])) / Math.max(1, b[0] - a[0]);
  }

  draw(now) {
    const { canvas } = this;
    const box = canvas.getBoundingClientRect();
    const scale = Math.min(window.devicePixelRatio || 1, 2);
    const [width, height] = [box.width, box.height];
    if (canvas.width !== Math.round(width * scale)) canvas.width = Math.round(width * scale);
    if (canvas.height !== Math.round(height * scale)) canvas.height = Math.round(height * scale);
    const c = canvas.getContext('2d');
    c.setTransform(scale, 0, 0, scale, 0, 0);
    c.clearRect(0, 0, width, height);
    c.font = '12px system-ui, sans-serif';
    c.textBaseline = 'middle';
    const left = 150;
    c.fillStyle = '#a3afbf';
    c.fillText('robot', 16, 16);
    const { kept, dropped } = this.count(now);
    c.fillText(`${kept} kept, ${dropped} dropped`, 16, 34);
    const strikers = this.strikers();
    const rows = this.joints.length;
    const room = height - 14 - (strikers.length ? 30 : 0);
    const row = rows ? Math.min(22, room / rows) : 0;
    this.joints.forEach((name, i) => {
      const y = 12 + row * (i + 0.5);
      const [low, high] = this.ranges[i];
      const x = (p) => left + 90 + ((p - low) / Math.max(1e-6, high - low)) * (width - left - 120);
      c.fillStyle = '#a3afbf';
      c.fillText(name.slice(0, 14), left, y);
      c.fillStyle = '#262e3a';
      c.fillRect(left + 90, y - 1, width - left - 120, 2);
      const goal = this.points.length ? this.points[this.points.length - 1][i + 1] : 0;
      c.strokeStyle = 'rgba(255,166,43,0.75)';
      c.strokeRect(x(goal) - 6, y - 6, 12, 12);
      c.fillStyle = ROBOT;
      c.fillRect(x(this.at(i, now)) - 5, y - 5, 10, 10);
    });
    const y = height - 18;
    strikers.forEach((number, i) => {
      const x = left + 8 + (i * (width - left - 30)) / Math.max(8, strikers.length);
      const hit = this.score.strikes.findLast((s) => s.pitch === number && s.start <= now);
      const next = this.score.strikes.find((s) => s.pitch === number && s.start > now);
      const glow = hit ? Math.max(0, 1 - (now - hit.start) / 260) : 0;
      c.beginPath();
      c.arc(x, y, Math.max(2, Math.min(8, (width - left) / strikers.length / 2.6)), 0, 7);
      c.fillStyle = `rgba(255,166,43,${0.12 + 0.88 * glow})`;
      c.fill();
      c.strokeStyle = next ? ROBOT : '#3a4656';
      c.stroke();
    });
  }

  strikers() { return [...new Set(this.score.strikes.map((s) => s.pitch))].sort((a, b) => a - b); }

  count(now) {
    const past = this.score.plans.filter((p) => p.start < now && p.fate !== 'withdrawn');
    const kept = past.filter((p) => p.fate === 'certain' || p.fate === 'played').length;
    return { kept, dropped: past.length - kept };
  }
}
