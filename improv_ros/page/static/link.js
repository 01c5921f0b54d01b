// Copyright 2026 improv_ros maintainers
// SPDX-License-Identifier: Apache-2.0

// The connection to the node: frames in, commands out; it is made again when it breaks.
const QUICK = 8; // pings at the beginning, to know the clock soon
const SILENT = 4000; // ms without a word after which a connection counts as broken
const PAUSES = [200, 500, 1000, 2000];

export class Link {
  constructor(clock, onFrame, onConnected) {
    this.clock = clock;
    this.onFrame = onFrame;
    this.onConnected = onConnected;
    this.connected = false;
    this.seen = 0;
    this.failures = 0;
    this.pings = 0;
    this.heard = 0;
    setInterval(() => this.look(), 1000);
    this.connect();
  }

  connect() {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws';
    const socket = new WebSocket(`${scheme}://${location.host}/live${location.search}`);
    this.socket = socket;
    this.heard = performance.now();
    socket.onopen = () => {
      this.failures = 0;
      this.pings = 0;
      this.ping();
    };
    socket.onmessage = (message) => this.receive(JSON.parse(message.data), performance.now());
    socket.onclose = () => this.lost(socket);
  }

  send(name, fields = {}) {
    if (this.socket.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify({ do: name, ...fields }));
    return true;
  }

  ping() { this.send('ping', { sent: performance.now(), seen: this.seen }); }

  receive(frame, received) {
    this.heard = received;
    if (frame.pong !== undefined) {
      this.clock.sample(frame.pong, received, frame.now);
      this.pings += 1;
      if (this.pings < QUICK) setTimeout(() => this.ping(), 40);
      if (!this.connected) {
        this.connected = true;
        this.onConnected(true);
      }
      return;
    }
    if (frame.n !== undefined) this.seen = frame.n;
    if (frame.whole && this.clock.offset === null) this.clock.offset = frame.now - received;
    this.onFrame(frame);
  }

  look() {
    if (this.socket.readyState === WebSocket.OPEN) this.ping();
    if (performance.now() - this.heard > SILENT) this.lost(this.socket);
  }

  lost(socket) {
    if (socket !== this.socket || socket.given_up) return;
    socket.given_up = true;
    socket.onmessage = null;
    socket.close();
    if (this.connected) {
      this.connected = false;
      this.onConnected(false);
    }
    setTimeout(() => this.connect(), PAUSES[Math.min(this.failures++, PAUSES.length - 1)]);
  }
}
