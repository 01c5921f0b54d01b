# Copyright 2026 improv_ros maintainers
# SPDX-License-Identifier: Apache-2.0

"""Model files with hostile contents: if executed, each would create a marker file."""

from __future__ import annotations

from collections.abc import Callable
import json
from pathlib import Path
import shutil
import zipfile

from improv_ros.improvising.network.improviser_runtime import DEFAULT_MODEL


def shipped_to(folder: Path) -> Path:
    """Copy the shipped network; return its `.keras` file."""
    folder.mkdir(parents=True, exist_ok=True)
    for suffix in ('.json', '.keras'):
        shutil.copy(DEFAULT_MODEL.with_suffix(suffix), folder)
    return folder / 'improviser.keras'


def rewritten(path: Path, member: str, change: Callable[[bytes], bytes]) -> Path:
    """Change or add one member of a `.keras` file."""
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members[member] = change(members.get(member, b''))
    with zipfile.ZipFile(path, 'w') as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    return path


def lambda_model(folder: Path, marker: Path) -> Path:
    """Return a Keras model whose only layer is marshalled Python code."""
    import keras

    path = shipped_to(folder)
    made = str(marker)
    inputs = keras.Input((1,))
    outputs = keras.layers.Lambda(lambda x: (open(made, 'w').close(), x)[1])(inputs)
    keras.Model(inputs, outputs).save(path)
    marker.unlink()  # building the model ran the layer once
    return path


def called_on_loading(folder: Path, marker: Path) -> Path:
    """Return the shipped network with a configuration that calls a Python function."""
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


def lambda_in_the_configuration(folder: Path, marker: Path) -> Path:
    """Return the weights of the shipped network with the configuration of `lambda_model`."""
    code = lambda_model(folder / 'code', marker)
    with zipfile.ZipFile(code) as archive:
        description = archive.read('config.json')
    return rewritten(shipped_to(folder), 'config.json', lambda _: description)


def with_outside_paths(folder: Path, marker: Path) -> Path:
    """Return the shipped network with members whose paths are outside the archive (zip slip)."""
    path = shipped_to(folder)
    for member in (f'../../../../../../../..{marker}', str(marker), f'assets/../..{marker}'):
        rewritten(path, member, lambda _: b'made')
    return path


def with_external_links(folder: Path) -> Path:
    """Return a file whose weights are links to another file (HDF5 external links)."""
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
    """Return the shipped network, an operation without its input: LiteRT mostly crashes."""
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
    """Return a LiteRT file that writes a file with a TensorFlow operation."""
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
