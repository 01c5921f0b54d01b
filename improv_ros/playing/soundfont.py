from pathlib import Path

from improv_ros.playing.errors import PlayingError

FOLDERS = (Path('/usr/share/sounds/sf2'), Path('/usr/share/soundfonts'))
# Of Debian's soundfonts, the one with the best piano first.
PREFERRED = ('FluidR3_GM.sf2', 'default-GM.sf2', 'TimGM6mb.sf2')


def find_soundfont(path: str = '') -> Path:
    """Return the soundfont at `path`, or the best that is installed; PlayingError without one."""
    if path:
        soundfont = Path(path).expanduser()
        if not soundfont.is_file():
            raise PlayingError(
                f'there is no soundfont {soundfont}: name another, or none to take one of those '
                'installed'
            )
        return soundfont
    for name in PREFERRED:
        for folder in FOLDERS:
            if (folder / name).is_file():
                return folder / name
    others = sorted(found for folder in FOLDERS for found in folder.glob('*.sf2'))
    if not others:
        searched = ' or '.join(map(str, FOLDERS))
        raise PlayingError(
            f'there is no soundfont in {searched}: install one (apt install timgm6mb-soundfont), '
            'or name the file'
        )
    return others[0]
