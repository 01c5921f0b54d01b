// Copyright 2026 improv_ros maintainers
// SPDX-License-Identifier: Apache-2.0

// The controls: what they show is what the nodes have; what is asked for goes to the node.
const ACTIONS = [
  ['improvise', 'Improvise', 'main', 'answer now'],
  ['again', 'Again', '', 'the same phrase, another answer'],
  ['keep', 'Keep', '', 'let what it has just answered count as heard'],
  ['stop', 'Stop', '', 'fall silent now'],
  ['forget', 'Forget', '', 'drop the memory of what was heard and learnt'],
  ['panic', 'Panic: silence everything', 'panic', 'fall silent and end every note'],
];
const MARKS = [['ok', '✓'], ['warn', '!'], ['bad', '✕'], ['bad', '○']];
const SETTLED = 400; // ms after a slider was let go in which what comes back is not shown
const FIGURES = [
  ['transcriber', 'sound to heard', 'sound to heard'],
  ['midi_player', 'lateness', 'lateness of the player'],
  ['live_page', 'key to heard_notes', 'page key to heard'],
];

export const make = (tag, properties = {}, ...children) => {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (name.includes('-') || name === 'role' || name === 'for') element.setAttribute(name, value);
    else element[name] = value;
  }
  element.append(...children);
  return element;
};
const $ = (id) => document.getElementById(id);
const plain = (name) => name.replaceAll('_', ' ');

export class Panel {
  constructor(link) {
    this.link = link;
    this.sliders = new Map();
    this.nodes = new Map();
    this.chosen = {};
    this.devices = null;
    this.recording = '';
    for (const [action, label, kind, title] of ACTIONS) {
      const button = make('button', { type: 'button', textContent: label, className: kind, title, id: action });
      button.onclick = () => link.send('act', { action });
      $('actions').append(button);
    }
    this.buildSession();
  }

  // -- parameters --

  parameters(facts) {
    if (!facts) return;
    for (const [name, fact] of Object.entries(facts)) {
      if (fact.choices) {
        if (name === 'mode') this.choose(name, fact);
      }
      else if (fact.low !== undefined) this.slide(name, fact);
    }
  }

  choose(name, fact) {
    const group = $('mode');
    if (!group.childElementCount) {
      for (const choice of fact.choices) {
        const button = make('button', { type: 'button', role: 'radio', textContent: choice, 'data-value': choice });
        button.onclick = () => this.link.send('set', { parameter: name, value: choice });
        button.onkeydown = (event) => this.walk(event, group);
        group.append(button);
      }
      group.title = fact.words;
    }
    for (const button of group.children) {
      const now = button.textContent === fact.value;
      button.setAttribute('aria-checked', now);
      button.tabIndex = now ? 0 : -1;
    }
  }

  walk(event, group) {
    const step = { ArrowRight: 1, ArrowLeft: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    const buttons = [...group.children];
    const next = buttons[(buttons.indexOf(event.target) + step + buttons.length) % buttons.length];
    next.focus();
    next.click();
    event.preventDefault();
    event.stopPropagation();
  }

  slide(name, fact) {
    let slider = this.sliders.get(name);
    if (!slider) {
      // Where a range spans decades, a step of the slider is a share of the value.
      const decades = !fact.whole && fact.low > 0 && fact.high / fact.low > 30;
      const input = make('input', { type: 'range', id: `set-${name}`, min: 0, max: 1000, step: 1, title: fact.words });
      const output = make('output', { for: input.id });
      $('sliders').append(make('div', { className: 'slider' }, make('label', { htmlFor: input.id, textContent: plain(name), title: fact.words }), output, input));
      slider = { input, output, decades, touched: 0 };
      this.sliders.set(name, slider);
      const value = () => {
        const share = input.value / 1000;
        const raw = decades ? fact.low * (fact.high / fact.low) ** share : fact.low + (fact.high - fact.low) * share;
        return fact.whole ? Math.round(raw) : Math.min(fact.high, Math.max(fact.low, Number(raw.toPrecision(3))));
      };
      if (fact.whole) Object.assign(input, { min: fact.low, max: fact.high });
      input.oninput = () => {
        slider.touched = performance.now();
        output.textContent = shown(fact.whole ? Number(input.value) : value(), fact);
      };
      input.onchange = () => this.link.send('set', { parameter: name, value: fact.whole ? Number(input.value) : value() });
    }
    const { input, output, decades } = slider;
    if (document.activeElement === input && performance.now() - slider.touched < SETTLED) return;
    const share = decades ? Math.log(fact.value / fact.low) / Math.log(fact.high / fact.low) : (fact.value - fact.low) / (fact.high - fact.low);
    input.value = fact.whole ? fact.value : Math.round(1000 * share);
    input.setAttribute('aria-valuetext', shown(fact.value, fact));
    output.textContent = shown(fact.value, fact);
    slider.value = fact.value;
  }

  // -- inputs --

  inputs(chosen) {
    this.chosen = chosen ?? {};
    this.showInputs();
  }

  lists(devices) {
    if (!devices) return;
    this.devices = devices;
    this.showInputs();
  }

  showInputs() {
    const place = $('inputs');
    if (place.contains(document.activeElement) && document.activeElement.tagName === 'SELECT') document.activeElement.blur();
    const parts = [];
    for (const [kind, label] of [['microphone', 'Microphone'], ['keyboards', 'MIDI keyboard']]) {
      const now = this.chosen[kind];
      if (now === null || now === undefined) continue;
      const names = [...new Set(['', ...(this.devices?.[kind] ?? []), now])];
      const select = make('select', { id: `choose-${kind}` }, ...names.map((name) => make('option', { value: name, textContent: name || (kind === 'microphone' ? 'the default one' : 'the first one'), selected: name === now })));
      select.onchange = () => this.link.send('choose', { kind, names: select.value });
      parts.push(make('label', {}, label, select));
    }
    const look = make('button', { type: 'button', textContent: 'Look for devices', id: 'look' });
    look.onclick = () => {
      look.disabled = true;
      this.link.send('devices');
    };
    if (parts.length) parts.push(look);
    parts.push(make('p', { className: 'note', id: 'octave', textContent: this.octave ?? '' }));
    place.replaceChildren(...parts);
  }

  showOctave(text) {
    this.octave = text;
    const place = $('octave');
    if (place) place.textContent = text;
    else this.showInputs();
  }

  // -- session --

  buildSession() {
    const record = make('button', { type: 'button', id: 'record', textContent: 'Record', 'aria-pressed': 'false' });
    record.onclick = () => this.link.send('record', { on: !this.recording });
    const links = [['mid', 'MIDI'], ['wav', 'WAV'], ['txt', 'Event text'], ['mcap', 'MCAP']].map(([end, label]) => make('a', { className: 'button', href: `session.${end}`, textContent: label, download: '' }));
    $('session').append(record, make('p', { className: 'note', id: 'recording' }), make('div', { className: 'downloads', role: 'group', 'aria-label': 'download the session so far' }, ...links));
  }

  record(path) {
    this.recording = path ?? '';
    $('record').setAttribute('aria-pressed', Boolean(path));
    $('record').textContent = path ? 'Recording' : 'Record';
    $('recording').textContent = path ? `into ${path}` : 'Download the session so far:';
  }

  // -- health --

  node(name, fact) {
    this.nodes.set(name, fact);
    const rows = [...this.nodes].map(([node, { level, words }]) => {
      const [kind, mark] = MARKS[Math.min(level, 3)];
      const parts = [make('span', { className: 'mark', textContent: mark, 'aria-hidden': 'true' }), make('span', { textContent: plain(node) })];
      if (level || words !== 'active') parts.push(make('span', { className: 'words', textContent: words }));
      return make('div', { className: `node ${kind}`, id: `node-${node}`, 'data-level': level }, ...parts);
    });
    $('health').replaceChildren(...rows, this.figures());
  }

  answering(ms) { this.delay = ms; }

  figures() {
    const rows = [];
    for (const [node, key, label] of FIGURES) {
      const figures = this.nodes.get(node)?.figures ?? {};
      const found = Object.entries(figures).filter(([name]) => name.startsWith(`${key} p`));
      if (found.length >= 2) rows.push([label, `${found.slice(0, 2).map(([, v]) => v).join(' / ')} ms`]);
    }
    const learnt = this.nodes.get('improviser')?.figures ?? {};
    for (const [name, nats] of Object.entries(learnt)) {
      if (name.startsWith('knows you')) rows.push([name, nats]);
    }
    if (this.delay !== null && this.delay !== undefined) rows.push(['pause to answer', `${this.delay} ms`]);
    const total = (end) => [...this.nodes].reduce((sum, [, { figures }]) => sum + Object.entries(figures).reduce((s, [k, v]) => s + (k.endsWith(end) ? Number(v) || 0 : 0), 0), 0);
    rows.push(['messages lost', total('_notes lost') + total('audio lost')], ['nodes restarted', total('_notes restarts')]);
    const table = make('table', { 'aria-label': 'figures: median and 95 in 100' });
    for (const [label, value] of rows) table.append(make('tr', {}, make('td', { textContent: label }), make('td', { textContent: value })));
    return table;
  }
}

function shown(value, fact) {
  const unit = /\[(.*)\]$/.exec(fact.words)?.[1] ?? '';
  const number = fact.whole ? String(value) : Number(value.toPrecision(3)).toString();
  return unit && unit.length < 6 ? `${number} ${unit}` : number;
}
