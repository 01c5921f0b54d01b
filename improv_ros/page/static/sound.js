// Copyright 2026 improv_ros maintainers
// SPDX-License-Identifier: Apache-2.0

// The robot and this browser's own keys, in sound: sampled piano, each note at its time.
const VOICES = 72;
const RELEASE = 0.11; // seconds
const CUT = 0.015;

export class Piano {
  constructor(clock) {
    this.clock = clock;
    this.sounds = [];
    this.voices = [];
    this.sustained = { robot: false, own: false };
    this.on = false;
  }

  // Begin to sound; `load` gives the bank as an ArrayBuffer. Call it from a click.
  async start(load) {
    this.context ??= new AudioContext({ latencyHint: 'interactive' });
    if (!this.output) {
      this.output = this.context.createGain();
      this.output.gain.value = 1.8;
      const limiter = this.context.createDynamicsCompressor();
      limiter.threshold.value = -10;
      limiter.ratio.value = 8;
      this.tap = this.context.createAnalyser();
      this.tap.fftSize = 2048;
      this.output.connect(limiter).connect(this.tap).connect(this.context.destination);
    }
    const running = this.context.resume();
    this.on = true;
    if (!this.sounds.length) await this.decode(await load());
    await running;
  }

  stop() {
    this.on = false;
    this.silence();
    this.context?.suspend();
  }

  async decode(bank) {
    const view = new DataView(bank);
    const length = view.getUint32(0, true);
    const index = JSON.parse(new TextDecoder().decode(new Uint8Array(bank, 4, length)));
    const middle = [...index.sounds].sort((a, b) => Math.abs(a[0] - 60) - Math.abs(b[0] - 60));
    await Promise.all(middle.map(async ([pitch, velocity, offset, size]) => {
      const start = 4 + length + offset;
      const buffer = await this.context.decodeAudioData(bank.slice(start, start + size));
      this.sounds.push({ pitch, velocity, buffer, onset: onsetOf(buffer) });
    }));
  }

  // The audio clock's time at which something is heard at a time of the page's clock.
  when(time) {
    const local = this.clock.local(time);
    const stamp = this.context.getOutputTimestamp?.();
    if (stamp && stamp.performanceTime > 0 && stamp.contextTime > 0) {
      return stamp.contextTime + (local - stamp.performanceTime) / 1000;
    }
    const latency = this.context.outputLatency || this.context.baseLatency || 0;
    return this.context.currentTime + (local - performance.now()) / 1000 - latency;
  }

  ready() { return this.on && this.sounds.length > 0 && this.context.state === 'running'; }

  // Take in an event of the robot: [source, kind, pitch or value, velocity, ms].
  robot([source, kind, pitch, velocity, time]) {
    if (source !== 'g' || !this.ready()) return;
    if (kind === 'n' && velocity) this.begin('robot', pitch, velocity, this.when(time), time);
    else if (kind === 'n') this.end('robot', pitch, this.when(time));
    else if (kind === 'c') this.pedal('robot', pitch, this.when(time));
    else this.withdraw(this.when(time));
  }

  own(pitch, velocity) {
    if (!this.ready()) return;
    if (velocity) this.begin('own', pitch, velocity, 0, this.clock.now());
    else this.end('own', pitch, 0);
  }

  begin(who, pitch, velocity, at, time) {
    const now = this.context.currentTime;
    if (at && at < now - 0.25) return;
    const start = Math.max(at, now);
    this.end(who, pitch, start);
    const sound = this.nearest(pitch, velocity);
    const source = this.context.createBufferSource();
    source.buffer = sound.buffer;
    source.playbackRate.value = 2 ** ((pitch - sound.pitch) / 12);
    const gain = this.context.createGain();
    gain.gain.value = Math.min(1.6, (velocity / sound.velocity) ** 1.3);
    const pan = this.context.createStereoPanner();
    pan.pan.value = Math.max(-0.5, Math.min(0.5, (pitch - 64) / 70));
    source.connect(gain).connect(pan).connect(this.output);
    source.start(start, sound.onset);
    const voice = { who, pitch, source, gain, start, ends: Infinity, down: true };
    source.onended = () => {
      this.voices = this.voices.filter((v) => v !== voice);
      pan.disconnect();
    };
    this.voices.push(voice);
    this.latest = { due: time, start, pitch };
    if (this.voices.length > VOICES) this.fade(this.voices[0], now, CUT);
  }

  end(who, pitch, at) {
    const time = Math.max(at, this.context.currentTime);
    for (const voice of this.voices) {
      if (voice.who !== who || voice.pitch !== pitch || !voice.down) continue;
      voice.down = false;
      if (!this.sustained[who]) this.fade(voice, Math.max(time, voice.start + 0.02), RELEASE);
    }
  }

  pedal(who, value, at) {
    const time = Math.max(at, this.context.currentTime);
    this.sustained[who] = value >= 64;
    if (value >= 64) return;
    for (const voice of this.voices) {
      if (voice.who === who && !voice.down && voice.ends === Infinity) this.fade(voice, Math.max(time, voice.start + 0.02), RELEASE);
    }
  }

  // What was to begin from then on never does, and what sounds then ends.
  withdraw(at) {
    for (const voice of [...this.voices]) {
      if (voice.who !== 'robot') continue;
      if (voice.start >= at - 0.001) {
        voice.source.stop(0);
        this.voices = this.voices.filter((v) => v !== voice);
      } else this.fade(voice, Math.max(at, this.context.currentTime), 2 * CUT);
    }
    this.sustained.robot = false;
  }

  silence() {
    if (!this.context) return;
    for (const voice of this.voices) this.fade(voice, this.context.currentTime, CUT);
    this.sustained = { robot: false, own: false };
  }

  fade(voice, at, seconds) {
    if (voice.ends <= at + seconds) return;
    voice.ends = at + seconds;
    voice.down = false;
    voice.gain.gain.cancelScheduledValues(at);
    voice.gain.gain.setTargetAtTime(0, at, seconds / 3);
    voice.source.stop(at + 2 * seconds);
  }

  nearest(pitch, velocity) {
    let best = this.sounds[0];
    let least = Infinity;
    for (const sound of this.sounds) {
      const off = Math.abs(sound.pitch - pitch) * 200 + Math.abs(sound.velocity - velocity);
      if (off < least) [best, least] = [sound, off];
    }
    return best;
  }

  // How loud it is just now (RMS, full scale 1).
  level() {
    if (!this.tap) return 0;
    const samples = new Float32Array(this.tap.fftSize);
    this.tap.getFloatTimeDomainData(samples);
    return Math.sqrt(samples.reduce((sum, s) => sum + s * s, 0) / samples.length);
  }
}

// Where the sound in a buffer begins: compressing may have put silence before it.
function onsetOf(buffer) {
  const samples = buffer.getChannelData(0);
  const head = Math.min(samples.length, Math.round(0.2 * buffer.sampleRate));
  let peak = 0;
  for (let i = 0; i < head; i += 1) peak = Math.max(peak, Math.abs(samples[i]));
  for (let i = 0; i < head; i += 1) if (Math.abs(samples[i]) > 0.02 * peak) return Math.max(0, i / buffer.sampleRate - 0.001);
  return 0;
}
