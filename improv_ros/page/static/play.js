// Copyright 2026 improv_ros maintainers
// SPDX-License-Identifier: Apache-2.0

// Playing from this browser: on the screen, on the computer's keyboard, on a MIDI keyboard.
const LOWER = ['KeyZ', 'KeyS', 'KeyX', 'KeyD', 'KeyC', 'KeyV', 'KeyG', 'KeyB', 'KeyH', 'KeyN', 'KeyJ', 'KeyM'];
const UPPER = ['KeyQ', 'Digit2', 'KeyW', 'Digit3', 'KeyE', 'KeyR', 'Digit5', 'KeyT', 'Digit6', 'KeyY', 'Digit7', 'KeyU'];
const KEYS = new Map([...LOWER, ...UPPER].map((code, i) => [code, i]));
const TYPED = 84; // velocity of the computer's keyboard; with shift it is louder
const LOUD = 112;
const [SOFTEST, LOUDEST] = [28, 118]; // at the far end of a key, and at its front edge

export class Player {
  constructor(link, clock, piano, roll) {
    this.link = link;
    this.clock = clock;
    this.piano = piano;
    this.roll = roll;
    this.base = 60 - 12; // pitch of Z
    this.held = new Map(); // what holds a key: a pointer, a code, a MIDI key; to its pitch
    this.pedals = new Map(); // what holds the pedal; to how far
    this.onOctave = () => {};
    this.screen(roll.canvas);
    this.typing();
    addEventListener('blur', () => this.releaseAll());
    addEventListener('pagehide', () => this.releaseAll());
    document.addEventListener('visibilitychange', () => document.hidden && this.releaseAll());
  }

  press(holder, pitch, velocity, local = performance.now()) {
    if (pitch < 0 || pitch > 127) return;
    this.release(holder, local);
    this.held.set(holder, pitch);
    this.roll.pressed.set(pitch, velocity);
    this.piano.own(pitch, velocity);
    this.link.send('key', { pitch, velocity, time: this.clock.at(local) });
  }

  release(holder, local = performance.now()) {
    const pitch = this.held.get(holder);
    if (pitch === undefined) return;
    this.held.delete(holder);
    if ([...this.held.values()].includes(pitch)) return;
    this.roll.pressed.delete(pitch);
    this.piano.own(pitch, 0);
    this.link.send('key', { pitch, velocity: 0, time: this.clock.at(local) });
  }

  pedal(holder, value, local = performance.now()) {
    if ((this.pedals.get(holder) ?? 0) === value) return;
    this.pedals.set(holder, value);
    const lowest = Math.max(...this.pedals.values());
    if (this.piano.ready()) this.piano.pedal('own', lowest, 0);
    this.link.send('pedal', { value: lowest, time: this.clock.at(local) });
  }

  releaseAll() {
    for (const holder of [...this.held.keys()]) this.release(holder);
    for (const holder of [...this.pedals.keys()]) this.pedal(holder, 0);
  }

  // The connection is gone: the node lets go of everything by itself.
  dropAll() {
    for (const pitch of this.held.values()) this.piano.own(pitch, 0);
    this.held.clear();
    this.pedals.clear();
    this.roll.pressed.clear();
    if (this.piano.ready()) this.piano.pedal('own', 0, 0);
  }

  screen(canvas) {
    const key = (event) => {
      const box = canvas.getBoundingClientRect();
      return this.roll.layout.keyAt(event.clientX - box.left, event.clientY - box.top);
    };
    const strike = (event) => {
      const found = key(event);
      const holder = `pointer ${event.pointerId}`;
      if (!found) this.release(holder, event.timeStamp);
      else if (this.held.get(holder) !== found.pitch) {
        this.press(holder, found.pitch, Math.round(SOFTEST + (LOUDEST - SOFTEST) * found.front), event.timeStamp);
      }
    };
    const down = new Set();
    canvas.addEventListener('pointerdown', (event) => {
      if (!key(event)) return;
      event.preventDefault();
      canvas.focus({ preventScroll: true });
      canvas.setPointerCapture(event.pointerId);
      down.add(event.pointerId);
      strike(event);
    });
    canvas.addEventListener('pointermove', (event) => down.has(event.pointerId) && strike(event));
    for (const name of ['pointerup', 'pointercancel', 'lostpointercapture']) {
      canvas.addEventListener(name, (event) => {
        down.delete(event.pointerId);
        this.release(`pointer ${event.pointerId}`, event.timeStamp);
      });
    }
  }

  typing() {
    const busy = (target, code) => {
      const tag = target.tagName;
      if (tag === 'SELECT' || tag === 'TEXTAREA' || (tag === 'INPUT' && (target.type !== 'range' || code.startsWith('Arrow')))) return true;
      return (code === 'Space' || code.startsWith('Arrow')) && (tag === 'BUTTON' || tag === 'A');
    };
    addEventListener('keydown', (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey || busy(event.target, event.code)) return;
      const index = KEYS.get(event.code);
      if (index !== undefined) {
        if (!event.repeat) this.press(event.code, this.base + index, event.shiftKey ? LOUD : TYPED, event.timeStamp);
      } else if (event.code === 'Space') this.pedal('space', 127, event.timeStamp);
      else if (event.code === 'ArrowLeft' || event.code === 'ArrowRight') {
        this.base = Math.min(84, Math.max(21 + 3, this.base + (event.code === 'ArrowLeft' ? -12 : 12)));
        this.onOctave(this.base);
      } else return;
      event.preventDefault();
    });
    addEventListener('keyup', (event) => {
      this.release(event.code, event.timeStamp);
      if (event.code === 'Space') this.pedal('space', 0, event.timeStamp);
    });
  }

  // Hear the MIDI keyboards of this computer; returns their names. Rejects with the reason.
  async midi() {
    if (!navigator.requestMIDIAccess) {
      throw new Error(isSecureContext ? 'this browser has no Web MIDI' : 'browsers give MIDI only to http://localhost and to https');
    }
    const access = await navigator.requestMIDIAccess();
    const listen = () => access.inputs.forEach((input) => {
      input.onmidimessage = (message) => this.hearMidi(input.id, message);
    });
    access.onstatechange = (event) => {
      listen();
      if (event.port.state === 'disconnected') this.releaseMidi(event.port.id);
    };
    listen();
    return [...access.inputs.values()].map((input) => input.name);
  }

  hearMidi(port, { data, timeStamp }) {
    const [status, first, second] = data;
    const kind = status & 0xf0;
    const holder = `midi ${port} ${status & 15} ${first}`;
    if (kind === 0x90 && second) this.press(holder, first, second, timeStamp);
    else if (kind === 0x80 || kind === 0x90) this.release(holder, timeStamp);
    else if (kind === 0xb0 && first === 64) this.pedal(`midi ${port}`, second, timeStamp);
  }

  releaseMidi(port) {
    for (const holder of [...this.held.keys()]) if (String(holder).startsWith(`midi ${port} `)) this.release(holder);
    if (this.pedals.has(`midi ${port}`)) this.pedal(`midi ${port}`, 0);
  }
}
