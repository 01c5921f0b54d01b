"""The pianos of a set: a YAML file that says which there are, where from, on what terms.

One entry a piano: `name`, `licence`, `source`, `weight` (how often it is played compared with the
others, 1 if not told), and `held_out: true` for one never trained on. Its sound is one of

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

from .bank import Bank
from .errors import SynthesisError
from .procedural import BODIES, build_procedural
from .sample_folder_bank import build_sample_bank, find_samples
from .soundfont_bank import build_soundfont_bank

_BANK_FORMAT = 2  # of the bank's files and of how they are made
_SOUNDS: dict[str, dict[str, type]] = {
    'soundfont': {'program': int, 'bank': int, 'mellow': bool},
    'samples': {},
    'procedural': {'seed': int},
}


@dataclass
class Piano:
    """One piano: where its sound comes from; options are those of its kind."""

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
        """Return the SHA-256 of all its sample files, '' where there are none."""
        if self.kind == 'procedural':
            return ''
        path = Path(self.sound)
        files = [path] if self.kind == 'soundfont' else sorted(find_samples(path).values())
        digest = hashlib.sha256()
        for file in files:
            digest.update(hashlib.sha256(file.read_bytes()).digest())
        return digest.hexdigest()

    def about(self) -> dict[str, Any]:
        """Return it for the manifest."""
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
        """Return where in a folder its bank is kept."""
        what = [_BANK_FORMAT, self.kind, self.checksum or self.sound, self.options]
        code = hashlib.sha256(json.dumps(what, sort_keys=True).encode()).hexdigest()
        return folder / f'{self.name}-{code[:12]}'

    def build(self) -> Bank:
        """Return its bank, which takes some seconds; SynthesisError where its sound is unfit."""
        if self.kind == 'soundfont':
            return build_soundfont_bank(Path(self.sound), **self.options)
        if self.kind == 'samples':
            return build_sample_bank(Path(self.sound))
        return build_procedural(self.sound, self.options.get('seed', 1))


def read_pianos(path: Path, folder: Path) -> list[Piano]:
    """Return the pianos that a YAML file names; sample files are looked for in `folder`.

    Raises SynthesisError with the name of what is missing or malformed.
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
            raise SynthesisError(f'{path}: two pianos are called {name}')
    if all(piano.held_out for piano in pianos):
        raise SynthesisError(f'{path}: no piano is left to train on, all are held out')
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
            raise SynthesisError(f'{where} has no {key}: it has {", ".join(known)}')
        if type(value) is not known[key] and not (key == 'weight' and type(value) is int):
            raise SynthesisError(f'{where}: {key} is {value!r}, not a {known[key].__name__}')
    missing = [key for key in ('name', 'licence', 'source') if not entry.get(key)]
    if missing:
        raise SynthesisError(f'{where} has no {missing[0]}')
    if not 0 < entry.get('weight', 1) < float('inf'):
        raise SynthesisError(f'{where}: weight is {entry["weight"]}, not above 0')
    sound = entry[kind]
    if kind == 'procedural':
        if sound not in BODIES:
            raise SynthesisError(f'{where}: procedural is one of {", ".join(BODIES)}')
    else:
        sound = str(folder / sound)
        found = Path(sound).is_file() if kind == 'soundfont' else Path(sound).is_dir()
        if not found:
            raise SynthesisError(
                f'{where}: there is no {kind} {sound}: get it from {entry["source"]}, name the '
                'folder it is in with --sounds, or take the piano off the list'
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
