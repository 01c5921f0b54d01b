// Copyright 2026 improv_ros maintainers
// SPDX-License-Identifier: Apache-2.0

// The page's time, in milliseconds of the robot's clock, from pings.
const KEPT = 24; // samples
const FRESH = 30000; // ms: older samples count only while there is nothing better

export class Clock {
  constructor() {
    this.samples = [];
    this.offset = null;
    this.roundTrip = null;
  }

  // A ping sent and answered at these times of performance.now(); `there` is the robot's time.
  sample(sent, received, there) {
    const offset = there - (sent + received) / 2;
    const last = this.samples[this.samples.length - 1];
    if (last && Math.abs(offset - last.offset) > 250 + received - sent) this.samples = []; // it was set
    this.samples.push({ trip: received - sent, offset, received });
    this.samples = this.samples.filter((s) => received - s.received < FRESH).slice(-KEPT);
    const best = this.samples.reduce((a, b) => (b.trip < a.trip ? b : a));
    this.offset = best.offset;
    this.roundTrip = best.trip;
  }

  now() { return performance.now() + (this.offset ?? 0); }

  // A time of performance.now(), such as an event's timeStamp, in the robot's time; and back.
  at(local) { return local + (this.offset ?? 0); }
  local(there) { return there - (this.offset ?? 0); }
}
