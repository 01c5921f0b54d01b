"""Model files made to do harm: each would make a marker file if what it holds were executed."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path
import shutil
import zipfile

from improv_ros.improvising.runtime import DEFAULT_MODEL


def shipped_to(folder: Path) -> Path:
    """Copy the shipped network; return its `.keras` file."""
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in ('.json', '.keras'):
        shutil.copy(DEFAULT_MODEL.with_suffix(suffix), folder)
    return folder / 'improviser.keras'


def rewritten(path: Path, member: str, change: Callable[[bytes], bytes]) -> Path:
    """Change one member of a `.keras` file, or add it."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members[member] = change(members.get(member, b''))
    with zipfile.ZipFile(path, 'w') as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def lambda_model(folder: Path, marker: Path) -> Path:
    """A whole Keras model whose one layer is Python code, marshalled."""
    import keras

    path = shipped_to(folder)
    made = str(marker)
    inputs = keras.Input((1,))
    outputs = keras.layers.Lambda(lambda x: (open(made, 'w').close(), x)[1])(inputs)
    keras.Model(inputs, outputs).save(path)
    marker.unlink()  # building the model ran the layer once
    return path


def called_on_loading(folder: Path, marker: Path) -> Path:
    """The shipped network, its description changed to one that calls a function of Python."""
    call = {
        'module': 'pathlib',
        'class_name': 'Path.touch',
        'config': {'self': str(marker)},
        'registered_name': None,
    }
    function = {'module': 'os', 'class_name': 'function', 'config': 'mknod'}

    def hostile(data: bytes) -> bytes:
        description = json.loads(data)
        description['config']['dtype'] = call
        description['config']['name'] = function
        description['build_config'] = {'input_shape': call}
        description['compile_config'] = {'optimizer': call, 'loss': function}
        return json.dumps(description).encode()

    return rewritten(shipped_to(folder), 'config.json', hostile)


def lambda_in_the_description(folder: Path, marker: Path) -> Path:
    """The shipped network's numbers, with the description of the model that is code."""
    code = lambda_model(folder / 'code', marker)
    with zipfile.ZipFile(code) as archive:
        description = archive.read('config.json')
    return rewritten(shipped_to(folder), 'config.json', lambda _: description)


def climbing_out(folder: Path, marker: Path) -> Path:
    """The shipped network, with files that unpack outside the folder they are unpacked into."""
    path = shipped_to(folder)
    for member in (f'../../../../../../../..{marker}', str(marker), f'assets/../..{marker}'):
        rewritten(path, member, lambda _: b'made')
    return path


def lending_a_file(folder: Path) -> Path:
    """A file whose numbers are said to stand in another file of this machine."""
    import h5py

    path = shipped_to(folder)
    secret = folder / 'secret.h5'
    with h5py.File(secret, 'w') as file:
        file['0'] = [0.0]

    def hostile(data: bytes) -> bytes:
        weights = folder / 'weights.h5'
        weights.write_bytes(data)
        with h5py.File(weights, 'r+') as file:
            del file['layers/embedding/vars/0']
            file['layers/embedding/vars/0'] = h5py.ExternalLink(str(secret), '/0')
        return weights.read_bytes()

    return rewritten(path, 'model.weights.h5', hostile)


def crashing_litert(folder: Path) -> Path:
    """The shipped network with an operation whose input is missing: LiteRT crashes on it."""
    from ai_edge_litert import schema_py_generated as schema
    import flatbuffers

    path = shipped_to(folder).with_suffix('.tflite')
    path.with_suffix('.keras').unlink()
    shipped = DEFAULT_MODEL.read_bytes()
    model = schema.ModelT.InitFromObj(schema.Model.GetRootAs(shipped, 0))
    operator = model.subgraphs[0].operators[0]
    operator.inputs = [-1, *list(operator.inputs)[1:]]
    builder = flatbuffers.Builder(len(shipped))
    builder.Finish(model.Pack(builder), b'TFL3')
    path.write_bytes(builder.Output())
    return path


def file_writing_litert(folder: Path, marker: Path) -> Path:
    """A LiteRT file that writes a file by an operation of TensorFlow."""
    import tensorflow as tf

    path = shipped_to(folder).with_suffix('.tflite')
    path.with_suffix('.keras').unlink()

    class Writer(tf.Module):
        @tf.function(input_signature=[tf.TensorSpec((1,), tf.float32)])
        def run(self, x):
            tf.io.write_file(str(marker), 'made')
            return {'logits': x + 1}

    module = Writer()
    names = ('advance', 'time', 'what', 'velocity')
    tf.saved_model.save(module, str(folder / 'saved'), signatures=dict.fromkeys(names, module.run))
    converter = tf.lite.TFLiteConverter.from_saved_model(str(folder / 'saved'))
    converter.target_spec.supported_ops = [
        tf.lite.OpsSet.TFLITE_BUILTINS,
        tf.lite.OpsSet.SELECT_TF_OPS,
    ]
    path.write_bytes(converter.convert())
    marker.unlink(missing_ok=True)
    return path
