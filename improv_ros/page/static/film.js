// Copyright 2026 improv_ros maintainers
// SPDX-License-Identifier: Apache-2.0

// A session kept as a file: it is watched, and heard, as often as one likes.
import { Score } from './score.js';
import { Roll } from './roll.js';
import { Piano } from './sound.js';

const $ = (id) => document.getElementById(id);
const AHEAD = 300; // ms by which notes are handed to the sound
const session = JSON.parse($('session').textContent);

const score = new Score();
for (const event of session.events) if (event[0] !== 'g') score.take(event, event[4]);
score.hasPlayer = true;
const times = session.events.map((event) => event[4]);
const first = times.length ? Math.min(...times) - 500 : 0;
const last = times.length ? Math.max(...times) + 1500 : 1000;

let playing = false;
let place = first; // where it stands
let since = 0; // performance.now() when it began to play from there
let next = 0; // event to be handed to the sound
const sounding = session.events.filter((e) => e[0] === 'h' || e[0] === 'p').sort((a, b) => a[4] - b[4]);

const now = () => (playing ? Math.min(last, place + performance.now() - since) : place);
const piano = new Piano({ now, local: (time) => since + time - place });
const roll = new Roll($('roll'), score);
roll.replay = true;
roll.future = 2500;

function move(to) {
  place = Math.min(last, Math.max(first, to));
  since = performance.now();
  next = sounding.findIndex((event) => event[4] >= place);
  if (next < 0) next = sounding.length;
  piano.silence();
}

async function play(on) {
  if (on && now() >= last - 1) move(first);
  const here = now();
  playing = false;
  place = here;
  if (on && session.sounds) {
    try {
      await piano.start(async () => Uint8Array.from(atob(session.sounds), (c) => c.charCodeAt(0)).buffer);
    } catch (error) {
      $('turn-mode').textContent = `without sound: ${error.message}`;
    }
  } else if (!on) piano.stop();
  playing = on;
  move(here);
  $('play').textContent = on ? 'Pause' : 'Play';
  $('play').setAttribute('aria-pressed', on);
}

function feed() {
  while (playing && next < sounding.length && sounding[next][4] < now() + AHEAD) {
    const [source, kind, pitch, velocity, time] = sounding[next];
    const who = source === 'h' ? 'own' : 'robot';
    if (piano.ready()) {
      const at = piano.when(time);
      if (kind === 'n' && velocity) piano.begin(who, pitch, velocity, at, time);
      else if (kind === 'n') piano.end(who, pitch, at);
      else if (kind === 'c') piano.pedal(who, pitch, at);
    }
    next += 1;
  }
}

const clock = (ms) => `${Math.floor(ms / 60000)}:${String(Math.floor(ms / 1000) % 60).padStart(2, '0')}`;

function draw() {
  requestAnimationFrame(draw);
  const time = now();
  if (playing && time >= last) play(false);
  feed();
  roll.draw(time);
  if (document.activeElement !== $('place') || playing) $('place').value = (1000 * (time - first)) / (last - first);
  const words = `${clock(time - first)} / ${clock(last - first)}`;
  if ($('time').textContent !== words) $('time').textContent = words;
}

$('play').onclick = () => play(!playing);
$('place').oninput = () => move(first + ($('place').value / 1000) * (last - first));
$('view').onclick = () => { roll.view = roll.horizontal ? 'fall' : 'roll'; };
addEventListener('keydown', (event) => {
  if (event.code !== 'Space' || event.target.tagName === 'BUTTON') return;
  event.preventDefault();
  play(!playing);
});
window.improv = { roll, score, piano, now, move, isPlaying: () => playing };
requestAnimationFrame(draw);
