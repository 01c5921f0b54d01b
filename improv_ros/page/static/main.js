// Copyright 2026 improv_ros maintainers
// SPDX-License-Identifier: Apache-2.0

// The live page.
import { Clock } from './clock.js';
import { Link } from './link.js';
import { Score } from './score.js';
import { Roll } from './roll.js';
import { Body } from './body.js';
import { Piano } from './sound.js';
import { Player } from './play.js';
import { Panel, make } from './panel.js';
import { drawRing, drawLevel } from './ring.js';
import { nameOf } from './layout.js';

const $ = (id) => document.getElementById(id);
const options = new URLSearchParams(location.search);
const SAID_FOR = 5000; // ms

const clock = new Clock();
const score = new Score();
const roll = new Roll($('roll'), score);
const body = new Body($('body'), score);
const piano = new Piano(clock);
const measured = []; // events and when they were painted, where asked for
const unpainted = [];
let turn = { state: 'listening', words: 'connecting', since: 0, until: 0 };
let level = null;
const turns = [turn.state]; // the latest states
const levelState = {};

const link = new Link(clock, take, (connected) => {
  $('offline').hidden = connected;
  if (!connected) {
    player.dropAll();
    piano.silence();
    turn = { state: 'stopped', words: 'not connected', since: 0, until: 0 };
    showTurn();
  }
});
const panel = new Panel(link);
const player = new Player(link, clock, piano, roll);

const FACTS = {
  turn: (value) => {
    turn = value;
    showTurn();
  },
  parameters: (value) => {
    panel.parameters(value);
    const ahead = value?.lookahead?.value ?? 0.25;
    roll.future = Math.min(8000, Math.max(1000, 1500 * ahead + 500));
    $('turn-mode').textContent = value?.mode ? `mode: ${value.mode.value}` : '';
  },
  chosen: (value) => panel.inputs(value),
  devices: (value) => panel.lists(value),
  recording: (value) => panel.record(value),
  answering: (value) => panel.answering(value),
  certain: (value) => { roll.certain = value; },
  body: (value) => body.take(value),
  level: (value) => {
    level = value;
    $('meter').hidden = !value;
    if (!value) return;
    const words = value.clipped ? 'clipping' : value.peak <= -60 ? 'silence' : `${value.peak} dB`;
    if ($('level-words').textContent !== words) $('level-words').textContent = words;
    $('meter').setAttribute('aria-valuenow', Math.max(-60, value.peak));
  },
};

function take(frame) {
  if (window.improv?.still) return;
  const now = clock.now();
  if (frame.whole) score.clear();
  for (const event of frame.events ?? []) {
    score.take(event, now);
    if (!frame.whole) {
      piano.robot(event);
      if (options.has('measure')) unpainted.push({ event, came: now });
    }
  }
  for (const [name, value] of Object.entries(frame.facts ?? {})) {
    if (name.startsWith('node ')) panel.node(name.slice(5), value);
    else FACTS[name]?.(value);
  }
  for (const said of frame.said ?? []) say(said.words, said.good);
  if (frame.refused) say(frame.refused, false);
}

function say(words, good) {
  const item = make('li', { textContent: words, className: good ? '' : 'bad' });
  $('said').append(item);
  while ($('said').childElementCount > 4) $('said').firstChild.remove();
  setTimeout(() => item.remove(), SAID_FOR);
}

function showTurn() {
  if ($('turn-words').textContent !== turn.words) $('turn-words').textContent = turn.words;
  document.body.dataset.turn = turn.state;
  if (turns[turns.length - 1] !== turn.state) turns.push(turn.state);
  turns.splice(0, turns.length - 50);
}

function draw() {
  requestAnimationFrame(draw);
  if (window.improv.still) return; // for a picture
  const began = performance.now();
  const now = clock.now();
  roll.draw(now);
  drawRing($('ring'), turn, now);
  if (level) drawLevel($('level'), level, levelState);
  if (body.there) {
    $('body').hidden = false;
    body.draw(now);
  }
  score.forget(now);
  window.improv.cost = 0.95 * window.improv.cost + 0.05 * (performance.now() - began);
  window.improv.frames += 1;
  if (unpainted.length) {
    // The picture is on the screen soonest when the next task runs after this frame.
    const painted = unpainted.splice(0);
    const channel = new MessageChannel();
    channel.port1.onmessage = () => measured.push(...painted.map((p) => [...p.event, p.came, clock.now()]));
    channel.port2.postMessage(0);
  }
}

// -- view and sound --

const audience = options.get('view') === 'audience';
document.body.classList.toggle('audience', audience);
roll.view = { fall: 'fall', roll: 'roll', waterfall: 'fall', horizontal: 'roll' }[options.get('view')] ?? options.get('turn');
const range = /^(\d+)-(\d+)$/.exec(options.get('range') ?? '');
if (range) roll.fixed = [Math.max(21, Number(range[1])), Math.min(108, Number(range[2]))];

$('view').onclick = () => { roll.view = roll.horizontal ? 'fall' : 'roll'; };
const setPanel = (open) => {
  $('panel').classList.toggle('closed', !open);
  $('panel-button').setAttribute('aria-expanded', open);
};
$('panel-button').onclick = () => setPanel($('panel').classList.contains('closed'));
setPanel(innerWidth > 820);

async function setSound(on) {
  $('sound').disabled = true;
  try {
    if (on) {
      await piano.start(async () => {
        say('the piano sounds are on their way', true);
        const answer = await fetch(`sounds${location.search}`);
        if (!answer.ok) throw new Error(`there are no piano sounds (${answer.status})`);
        return answer.arrayBuffer();
      });
    } else piano.stop();
    $('sound').setAttribute('aria-pressed', on);
  } catch (error) {
    piano.stop();
    say(error.message, false);
  }
  $('sound').disabled = false;
}
$('sound').onclick = () => setSound($('sound').getAttribute('aria-pressed') !== 'true');
$('midi').onclick = async () => {
  try {
    const names = await player.midi();
    $('midi').setAttribute('aria-pressed', true);
    say(names.length ? `hearing ${names.join(', ')}` : 'no MIDI keyboard is connected here yet', names.length > 0);
  } catch (error) {
    say(`MIDI: ${error.message}`, false);
  }
};
player.onOctave = (base) => panel.showOctave(`Letter keys: ${nameOf(base)} to ${nameOf(base + 23)}. Arrow keys shift them, space is the pedal.`);
player.onOctave(player.base);
roll.hint = audience ? null : ['Play; when you pause, the robot answers', 'at the piano, on these keys, or on the letters Z to M and Q to U'];

let lastMove = 0;
if (audience) {
  addEventListener('pointermove', () => {
    document.body.style.cursor = 'default';
    clearTimeout(lastMove);
    lastMove = setTimeout(() => { document.body.style.cursor = ''; }, 1500);
  });
  addEventListener('click', () => document.documentElement.requestFullscreen?.().catch(() => {}));
}

// What tests and benchmarks look at.
window.improv = { clock, score, roll, piano, player, panel, link, measured, turns, cost: 0, frames: 0, still: false, turn: () => turn };
requestAnimationFrame(draw);
