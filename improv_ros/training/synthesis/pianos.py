# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""The pianos of a set of recordings, listed in a YAML file.

Each entry has a `name`, `licence` and `source`, a `weight` (its relative probability, by default
1), and `held_out: true` if it is not in the training set. Its sound is one of

- `soundfont: FILE` with `program`, `bank` and `mellow`: see `soundfont_bank`;
- `samples: FOLDER`: see `sample_folder_bank`;
- `procedural: grand` or `upright`, with `seed`: see `procedural`.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
import hashlib
import json
from pathlib import Path
from typing import Any

import yaml

from improv_ros.training.synthesis.bank import Bank
from improv_ros.training.synthesis.procedural import BODIES, build_procedural
from improv_ros.training.synthesis.sample_folder_bank import build_sample_bank, find_samples
from improv_ros.training.synthesis.soundfont_bank import build_soundfont_bank
from improv_ros.training.synthesis.synthesis_error import SynthesisError

_BANK_FORMAT = 2  # version of the files and of the code that makes them
_SOUNDS: dict[str, dict[str, type]] = {
    'soundfont': {'program': int, 'bank': int, 'mellow': bool},
    'samples': {},
    'procedural': {'seed': int},
}


@dataclass
class Piano:
    """One piano; kind: a key of `_SOUNDS`; sound: its value; options: those of the kind."""

    name: str
    licence: str
    source: str
    held_out: bool
    weight: float
    kind: str
    sound: str
    options: dict[str, Any]

    @cached_property
    def checksum(self) -> str:
        """SHA-256 of its sample files, '' for a procedural piano."""
        if self.kind == 'procedural':
            return ''
        path = Path(self.sound)
        files = [path] if self.kind == 'soundfont' else sorted(find_samples(path).values())
        digest = hashlib.sha256()
        for file in files:
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        return digest.hexdigest()

    def describe(self) -> dict[str, Any]:
        """Return its entry in the manifest."""
        return {
            'name': self.name,
            'licence': self.licence,
            'source': self.source,
            'held_out': self.held_out,
            'weight': self.weight,
            self.kind: Path(self.sound).name,
            **self.options,
            'sha256': self.checksum,
        }

    def bank_path(self, folder: Path) -> Path:
        """Return the path of its bank in a folder of banks."""
        identity = [_BANK_FORMAT, self.kind, self.checksum or self.sound, self.options]
        code = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
        return folder / f'{self.name}-{code[:12]}'

    def build(self) -> Bank:
        """Return its bank, after 3 to 40 s. Raises SynthesisError if its sound cannot be used."""
        if self.kind == 'soundfont':
            return build_soundfont_bank(Path(self.sound), **self.options)
        if self.kind == 'samples':
            return build_sample_bank(Path(self.sound))
        return build_procedural(self.sound, self.options.get('seed', 1))


def read_pianos(path: Path, folder: Path) -> list[Piano]:
    """Return the pianos of a YAML file; folder: of their sample files.

    Raises SynthesisError, which names what is missing or malformed.
    """
    try:
        entries = yaml.safe_load(path.read_text(encoding='utf-8'))
    except OSError as error:
        raise SynthesisError(f'{path} cannot be read: {error.strerror}') from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise SynthesisError(f'{path} is not YAML: {error}') from error
    if not isinstance(entries, list) or not entries:
        raise SynthesisError(f'{path} is not a list of pianos')
    pianos = [_piano(entry, f'{path}: piano {n}', folder) for n, entry in enumerate(entries, 1)]
    names = [piano.name for piano in pianos]
    for name in names:
        if names.count(name) > 1:
            raise SynthesisError(f'{path}: two pianos have the name {name}')
    if all(piano.held_out for piano in pianos):
        raise SynthesisError(f'{path}: all pianos are held out; none is left for training')
    return pianos


def _piano(entry: object, where: str, folder: Path) -> Piano:
    if not isinstance(entry, Mapping):
        raise SynthesisError(f'{where} is not a mapping of names to values')
    kinds = [kind for kind in _SOUNDS if kind in entry]
    if len(kinds) != 1:
        raise SynthesisError(f'{where} needs one of {", ".join(_SOUNDS)}')
    kind = kinds[0]
    known: dict[str, type] = {'name': str, 'licence': str, 'source': str, kind: str}
    known |= {'held_out': bool, 'weight': float, **_SOUNDS[kind]}
    for key, value in entry.items():
        if key not in known:
            raise SynthesisError(f'{where}: unknown entry {key}; known are {", ".join(known)}')
        if type(value) is not known[key] and not (key == 'weight' and type(value) is int):
            raise SynthesisError(f'{where}: {key} is {value!r}, not a {known[key].__name__}')
    missing = [key for key in ('name', 'licence', 'source') if not entry.get(key)]
    if missing:
        raise SynthesisError(f'{where} has no {missing[0]}')
    if not 0 < entry.get('weight', 1) < float('inf'):
        raise SynthesisError(f'{where}: weight is {entry["weight"]}; it must be above 0')
    sound = entry[kind]
    if kind == 'procedural':
        if sound not in BODIES:
            raise SynthesisError(f'{where}: procedural is one of {", ".join(BODIES)}')
    else:
        sound = str(folder / sound)
        found = Path(sound).is_file() if kind == 'soundfont' else Path(sound).is_dir()
        if not found:
            raise SynthesisError(
                f'{where}: there is no {kind} {sound}: get it from {entry["source"]}, give its '
                'folder with --sounds, or remove the piano from the list'
            )
    return Piano(
        name=entry['name'],
        licence=entry['licence'],
        source=entry['source'],
        held_out=entry.get('held_out', False),
        weight=float(entry.get('weight', 1)),
        kind=kind,
        sound=sound,
        options={key: entry[key] for key in _SOUNDS[kind] if key in entry},
    )
