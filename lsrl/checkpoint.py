"""Checkpoint folders: writing, reading, and what can be wrong with them.

A folder holds model.safetensors, config.json, symbols.json, circuit.json, certificate.json,
program.lsrl (with what it imports), the emitted code and README.md. The same source, options and
version give the same bytes.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from .backends import emitter, emitters
from .card import model_card
from .dtypes import DTYPES
from .elaborate.modules import load_imports
from .encoding import Columns
from .errors import CheckpointError, Diagnostic, LsrlError
from .files import check_room, new_folder, write_all
from .hf import ADAPTER, ADAPTER_FILE, METADATA, from_hf, hf_config, is_hf, to_hf
from .ir.types import Kind
from .lower.conditional import CONSTANTS, VARIANTS
from .model import CompiledModel
from .program import Program, load
from .settle import settled_source
from .targets import TARGETS
from .targets.base import CompileOptions
from .tensors import read, stored_size, write
from .tokens import TOKENS
from .version import __version__

FORMAT = 1
WEIGHTS = "model.safetensors"
INFINITE = "inf"  # a bound or a tolerance without end


def save(model: CompiledModel, folder: Path, *, force: bool = False) -> None:
    """Write a checkpoint folder, whole or not at all."""
    with new_folder(folder, force=force) as place:
        check_room(folder, stored_size(model.weights, model.dtype))
        texts = {
            "config.json": _json(config(model)),
            "symbols.json": _json(dict(model.symbols)),
            "circuit.json": _json(dict(model.units)),
            "certificate.json": _json(model.certificate),
            "README.md": model_card(model),
            **_sources(model.program),
        }
        for name in emitters():
            texts |= emitter(name).emit(model)
        write_all(place, texts)
        for name, tensors in files_of(model).items():
            metadata = METADATA if is_hf(model.target) else None
            write(place / name, tensors, model.dtype, metadata)


def files_of(model: CompiledModel) -> dict[str, Mapping[str, Any]]:
    """The tensors of each safetensors file, under the names that they have there."""
    if not is_hf(model.target):
        return {WEIGHTS: model.weights}
    own, adapter = to_hf(model.weights)
    return {WEIGHTS: own} | ({ADAPTER_FILE: adapter} if adapter else {})


def _json(data: Any) -> str:
    """JSON, which has no infinity: that is written as text."""
    return json.dumps(_finite(data), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def _finite(data: Any) -> Any:
    if isinstance(data, dict):
        return {k: _finite(v) for k, v in data.items()}
    if isinstance(data, list | tuple):
        return [_finite(v) for v in data]
    return INFINITE if data == math.inf else data


def _bounds(certificate: Any) -> Any:
    """A certificate as it was before it was written."""
    for part in ("bound", "parallel", "tolerance"):
        if isinstance(certificate, dict) and isinstance(values := certificate.get(part), dict):
            certificate[part] = {k: _number(v) for k, v in values.items()}
    return certificate


def _number(value: Any) -> Any:
    return math.inf if value == INFINITE else value


def config(model: CompiledModel) -> dict[str, Any]:
    """What config.json says. Of the models of transformers it is their own, and what LSRL says
    stands in its entry "lsrl"."""
    own = manifest(model)
    return hf_config(model.target, model.shape, own) if is_hf(model.target) else own


def manifest(model: CompiledModel) -> dict[str, Any]:
    """What LSRL says of a checkpoint."""
    options = model.options
    return {
        "format_version": FORMAT,
        "lsrl_version": __version__,
        "target": model.target,
        "dtype": options.dtype,
        "encoding": options.encoding,
        "profile": options.profile,
        "conditional": options.conditional,
        "constants": options.constants,
        "wanted_hidden_size": options.hidden_size,
        "wanted_layers": options.layers,
        "guard": float(options.guard),
        "tolerance": options.tolerance,
        "length": model.program.length,
        "input_size": model.input_size,
        "output_size": model.output_size,
        **model.shape,
        "inputs": [
            _field(c, f.type, (f.lo, f.hi), options.encoding)
            for c, f in zip(model.input_columns, model.program.inputs, strict=True)
        ],
        "outputs": [_output(model, c, i) for i, c in enumerate(model.output_columns)],
    }


def _field(columns: Columns, type: Any, ends: tuple[Any, Any], encoding: str) -> dict[str, Any]:
    """A field, and how the model has it. `number` and `onehot` (with `values`): columns of its own;
    `tokens`: a digit of the id for each element, counted from `lo` or over `members`, the first
    field and element slowest."""
    entry: dict[str, Any] = {"name": columns.name, "type": type.kind.value, "size": type.size}
    entry["vector"] = bool(type.shape)
    if encoding == TOKENS:
        entry["encoding"] = TOKENS
    elif columns.values:
        entry |= {"encoding": "onehot", "values": list(columns.values)}
    else:
        entry["encoding"] = "number"
    if type.kind is Kind.ENUM:
        return entry | {"members": list(type.members)}
    if columns.values:
        ends = columns.values[0], columns.values[-1]
    lo, hi = (float(e) if type.kind is Kind.REAL else int(e) for e in ends)
    return entry | {"lo": lo, "hi": hi}


def _output(model: CompiledModel, columns: Columns, i: int) -> dict[str, Any]:
    program = model.program
    node = program.graph.outputs[i].node
    fact, type = program.facts[node], program.graph.nodes[node].type
    return _field(columns, type, (fact.low, fact.high), model.options.encoding)


def _sources(program: Program) -> dict[str, str]:
    """The program with its parameters and length set, and the files that it imports."""
    files = {"program.lsrl": settled_source(program)}
    path = program.source.path
    if path is not None:
        root = path.resolve().parent
        for imported, tree in load_imports(program.tree).items():
            files[str(imported.relative_to(root))] = tree.source.text
    return files


# Reading


def load_model(folder: str | Path) -> CompiledModel:
    """Read a checkpoint folder. Raises `CheckpointError` for what is damaged or incomplete."""
    place = Path(folder)
    if not place.is_dir():
        raise _problem(
            place, "there is no such folder", "give the folder that `lsrl compile` wrote"
        )
    config = _read_json(place, "config.json")
    manifest = config.get("lsrl", config) if isinstance(config, dict) else None
    if not isinstance(manifest, dict) or "format_version" not in manifest:
        raise _problem(place, "config.json is not a checkpoint's", "compile the program again")
    if manifest["format_version"] != FORMAT:
        message = f"its format version is {manifest['format_version']}, this one reads {FORMAT}"
        raise _problem(place, message, "compile the program again with this version of LSRL")
    try:
        return _assemble(place, manifest, config)
    except (KeyError, TypeError, ValueError, AttributeError) as e:
        message = f"config.json is damaged ({type(e).__name__}: {e})"
        raise _problem(place, message, "compile the program again") from None


def _assemble(place: Path, manifest: dict[str, Any], config: dict[str, Any]) -> CompiledModel:
    try:
        program = load(place / "program.lsrl", length=manifest["length"])
    except LsrlError as e:
        first = e.diagnostics[0].message
        raise _problem(place, f"program.lsrl cannot be read: {first}", "compile again") from None
    options = CompileOptions(
        manifest["dtype"],
        Fraction(str(manifest["guard"])),
        _number(manifest["tolerance"]),
        manifest["encoding"],
        manifest["profile"],
        manifest["conditional"],
        manifest["constants"],
        manifest["wanted_hidden_size"],
        manifest["wanted_layers"],
    )
    if manifest["target"] not in TARGETS:
        message = f"its target `{manifest['target']}` is unknown here"
        raise _problem(place, message, f"the targets are: {', '.join(TARGETS)}")
    if options.dtype not in DTYPES:
        raise _problem(place, f"its dtype is {options.dtype!r}", "compile the program again")
    if options.conditional not in (None, *VARIANTS) or options.constants not in CONSTANTS:
        message = f"its conditional is {options.conditional!r} with {options.constants!r} constants"
        raise _problem(place, message, "compile the program again")
    chosen = TARGETS[manifest["target"]]
    shape = chosen.shape_of(config)
    weights = _read_weights(place, manifest, chosen.shapes(shape))
    files = ("symbols", "certificate", "circuit")
    symbols, certificate, units = (_read_json(place, f"{n}.json") for n in files)
    model = CompiledModel(
        program, manifest["target"], options, weights, _bounds(certificate), shape, symbols, units
    )
    if not _belong_together(model, manifest):
        raise _problem(place, "its files do not belong together", "compile the program again")
    return model


def _belong_together(model: CompiledModel, said: dict[str, Any]) -> bool:
    """Whether the manifest, the certificate, symbols and circuit are about the program."""
    fresh, names = manifest(model), model.program.output_names
    certificate: Any = model.certificate
    if not all(isinstance(d, dict) for d in (certificate, model.symbols, model.units)):
        return False
    bounds = certificate.get("bound")
    return (
        all(fresh[k] == said[k] for k in ("inputs", "input_size", "output_size"))
        and [o["name"] for o in said["outputs"]] == names
        and all(isinstance(said[k], str) for k in ("encoding", "profile"))
        and isinstance(bounds, dict)
        and set(bounds) == set(names)
        and all(isinstance(e, int | float) and e >= 0 for e in bounds.values())
        and all(certificate.get(k) == said[k] for k in ("guard", "dtype", "length"))
    )


def written_by(folder: str | Path) -> str:
    """The version of LSRL that wrote a folder, as its config.json says."""
    config = _read_json(Path(folder), "config.json")
    return str(config.get("lsrl", config).get("lsrl_version"))


def check_emitted(model: CompiledModel, folder: str | Path) -> None:
    """Raises `CheckpointError` if the code in a folder is not what is emitted for its model."""
    place = Path(folder)
    for name in emitters():
        for file, text in emitter(name).emit(model).items():
            path = place / file
            if not path.is_file() or path.read_bytes() != text.encode():
                message = f"{file} is missing or is not what LSRL wrote"
                raise _problem(place, message, "compile the program again")


def _problem(place: Path, message: str, help: str) -> CheckpointError:
    message = f"cannot read the checkpoint `{place}`: {message}"
    return CheckpointError(Diagnostic("E040", message, None, help))


def _read_json(place: Path, name: str) -> Any:
    try:
        return json.loads((place / name).read_text(encoding="utf-8"))
    except OSError:
        raise _problem(place, f"{name} is missing", "compile the program again") from None
    except ValueError:
        raise _problem(place, f"{name} is damaged", "compile the program again") from None


def _read_weights(
    place: Path, manifest: dict[str, Any], wanted: Mapping[str, tuple[int, ...]]
) -> dict[str, Any]:
    """Weights, each of the shape that config.json says."""
    found = _read_tensors(place, WEIGHTS)
    if is_hf(manifest["target"]):
        embeds = any(k.startswith(ADAPTER) for k in wanted)
        adapter = _read_tensors(place, ADAPTER_FILE) if embeds else {}
        found = from_hf(manifest["target"], found, adapter)
    for name, shape in wanted.items():
        dtype, array = found.get(name, ("", None))
        if name in found and dtype != manifest["dtype"]:
            raise _problem(
                place, f"the weight `{name}` is not {manifest['dtype']}", "compile again"
            )
        if array is None or array.shape != shape:
            raise _problem(
                place, f"the weight `{name}` is missing or has another shape", "compile again"
            )
    extra = set(found) - set(wanted)
    if extra:
        raise _problem(place, f"the weight `{min(extra)}` does not belong there", "compile again")
    return {name: found[name][1] for name in wanted}


def _read_tensors(place: Path, file: str) -> dict[str, Any]:
    """The tensors of a file with their dtypes."""
    from safetensors import SafetensorError

    path = place / file
    if not path.is_file():
        raise _problem(place, f"{file} is missing", "compile the program again")
    try:
        return read(path)
    except (SafetensorError, OSError, ValueError):
        raise _problem(place, f"{file} is damaged", "compile the program again") from None
