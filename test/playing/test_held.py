from improv_ros.playing.held import Held


def messages(*lines):
    return [bytes.fromhex(line) for line in lines]


def test_only_what_is_down_is_let_go_of():
    held = Held()
    for message in messages(
        '90 3c 40',  # pressed
        '91 3c 40',  # the same key of another channel
        '90 3e 40',
        '90 3e 00',  # released by velocity 0
        '95 40 40',
        '85 40 10',  # released by a note-off
        'b2 40 7f',  # the sustain pedal
        'b3 42 7f',
        'b3 42 00',  # sostenuto, up again
        'b0 07 64',  # volume is no pedal
        'c0 05',
        'e0 00 40',
        'f0 7d 01 f7',
        'f8',
    ):
        held.take(message)
    assert held.releases() == messages('90 3c 00', '91 3c 00', 'b2 40 00')


def test_nothing_is_down_at_first():
    assert Held().releases() == []
