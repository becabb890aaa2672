"""What a network is given: a photograph, arrays, or seeded noise and tokens.

A photograph is prepared as is usual for ImageNet: the shorter side is resized to
256/224 of the network's, a crop of the network's size is cut out of the middle,
and numbers from 0 to 1 are normalised per channel. Further images of a batch are
crops of the same photograph at places that the seed chooses.
"""

from __future__ import annotations

import warnings
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from numpy.typing import NDArray

from accelsim.errors import DataError, near_miss_hint
from accelsim.files import installed_folder
from accelsim.workload.arrays import count_nonfinite, read_npy, read_npz, require_file
from accelsim.workload.input_spec import InputKind, InputSpec

if TYPE_CHECKING:
    from PIL.Image import Image as Picture

Float32Array = NDArray[np.float32]
Shape = tuple[int, ...]

#: What an input is loaded from: a file, the name of a distribution, or the numbers themselves.
InputSource = str | Path | NDArray[Any]
#: The same for a network: one source for all inputs, or one for each by name.
InputSources = InputSource | Mapping[str, InputSource]

#: Inputs from one place that are named; more of them are counted.
NAMED_INPUTS = 4
#: Distributions by name; tokens are uniform under each.
DISTRIBUTIONS = ("normal", "uniform")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg")
#: Share of a resized photograph's shorter side that the crop keeps (ImageNet practice).
RESIZE_NUMERATOR, RESIZE_DENOMINATOR = 256, 224
#: Mean and standard deviation of ImageNet's pixels, per channel, on a scale from 0 to 1.
IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)
#: The photograph that matplotlib ships, in its folder.
_PHOTOGRAPH = Path("mpl-data", "sample_data", "grace_hopper.jpg")
#: Stream of random numbers for inputs, apart from those of weights.
_INPUT_STREAM = 0x696E707574


@dataclass(frozen=True, slots=True)
class LoadedInput:
    """The numbers of one input of a network.

    Parameters
    ----------
    values : float32 array (batch, ...)
        Channels last; float64 for tokens.
    provenance : str
        Where they come from, in a few words.
    """

    values: NDArray[Any]
    provenance: str


@dataclass(frozen=True, slots=True)
class LoadedInputs:
    """The numbers of all inputs of a network.

    Parameters
    ----------
    values : mapping from str to array (batch, ...)
        By name of the input; see `LoadedInput`.
    provenance : str
        Where they come from, in a few words.
    """

    values: Mapping[str, NDArray[Any]]
    provenance: str


def load_inputs(
    source: InputSources | None, given: Mapping[str, InputSpec], *, batch: int = 1, seed: int = 0
) -> LoadedInputs:
    """Load every input of a network.

    Parameters
    ----------
    source : InputSource, mapping from str to InputSource, or None
        As for `load_input`, by name; inputs that are not named get their default. Without
        names a distribution is for all inputs, an ``.npz`` file holds them all by name,
        and anything else is for a network with one input.
    given : mapping from str to InputSpec
        `Workload.given`.
    batch, seed : int
        As for `load_input`; several inputs have a random stream each.

    Raises
    ------
    DataError
        As for `load_input`; names the input where there are several.
    """
    if not isinstance(source, Mapping) and len(given) == 1:
        ((name, spec),) = given.items()
        loaded = load_input(source, spec, batch=batch, seed=seed)
        return LoadedInputs({name: loaded.values}, loaded.provenance)
    sources = _by_name(source, given)
    loaded_inputs = {}
    for name, spec in given.items():
        try:
            loaded_inputs[name] = load_input(
                sources.get(name), spec, batch=batch, seed=seed,
                stream=zlib.crc32(name.encode()) if len(given) > 1 else None,
            )  # fmt: skip
        except DataError as error:
            raise DataError(f"Input {name!r}: {error}") from error
    return LoadedInputs(
        {name: loaded.values for name, loaded in loaded_inputs.items()},
        _all_provenances({name: one.provenance for name, one in loaded_inputs.items()}),
    )


def _all_provenances(provenances: Mapping[str, str]) -> str:
    """Return where all inputs come from; many that come from the same place are counted."""
    names_by_place: dict[str, list[str]] = {}
    for name, place in provenances.items():
        names_by_place.setdefault(place, []).append(name)
    parts = []
    for place, names in names_by_place.items():
        who = names if len(names) <= NAMED_INPUTS else [f"{len(names)} inputs"]
        parts += [f"{name}: {place}" for name in who]
    return "; ".join(parts)


def _by_name(
    source: InputSources | None, given: Mapping[str, InputSpec]
) -> Mapping[str, InputSource]:
    """Return the source of every input that has one."""
    names = ", ".join(given)
    if source is None:
        return {}
    if isinstance(source, str) and source in DISTRIBUTIONS:
        return dict.fromkeys(given, source)
    if isinstance(source, str | Path) and Path(source).suffix.lower() == ".npz":
        source = read_npz(Path(source))
        missing = [name for name in given if name not in source]
        if missing:
            raise DataError(f"The file lacks {missing[0]!r}; the network reads {names}.")
    if not isinstance(source, Mapping):
        raise DataError(
            f"The network reads {names}; give each by name, or an .npz file that holds them all."
        )
    for name in source:
        if name not in given:
            raise DataError(
                f"The network has no input {name!r}.{near_miss_hint(name, given)} It reads {names}."
            )
    return source


def load_input(
    spec: InputSource | None,
    workload_input: InputSpec,
    *,
    batch: int = 1,
    seed: int = 0,
    stream: int | None = None,
) -> LoadedInput:
    """Load an input of a network.

    Parameters
    ----------
    spec : str, Path, array or None
        A PNG or JPEG file; an ``.npy`` or ``.npz`` file; an array; ``normal`` (mean 0,
        standard deviation 1) or ``uniform`` (0 to 1), both of which mean uniform tokens
        for an input of tokens. None is the default: a photograph that ships with
        matplotlib for an image, else ``normal``.
    workload_input : InputSpec
        Shape and kind of what the network reads.
    batch : int
        Samples. A file of arrays must hold at least as many; its first ones are used.
    seed : int
        For distributions and for the crops after the first.
    stream : int, optional
        Sets the random numbers of an input apart from those of others.

    Returns
    -------
    LoadedInput

    Raises
    ------
    DataError
        If the file is missing, corrupt, too large, of the wrong shape, holds NaN or
        infinity, or holds tokens that are not in the vocabulary.
    """
    if batch < 1:
        raise DataError(f"The batch is {batch}; it must be at least 1.")
    key = (_INPUT_STREAM, seed) if stream is None else (_INPUT_STREAM, seed, stream)
    generator = np.random.Generator(np.random.PCG64(key))
    if spec is None:
        spec = default_image() if workload_input.kind is InputKind.IMAGE else "normal"
    if not isinstance(spec, str | Path):
        given = _fit("The input", np.asarray(spec), workload_input, batch)
        return LoadedInput(given, "an array")
    if spec not in DISTRIBUTIONS:
        return _load_file(spec, workload_input, batch, generator)
    shape = (batch, *workload_input.shape)
    if workload_input.vocabulary is not None:
        tokens = generator.integers(0, workload_input.vocabulary, shape).astype(np.float64)
        return LoadedInput(tokens, f"uniform tokens, seed {seed}")
    return LoadedInput(_draw(str(spec), shape, generator), f"{spec} distribution, seed {seed}")


def _load_file(
    spec: str | Path, workload_input: InputSpec, batch: int, generator: np.random.Generator
) -> LoadedInput:
    """Load a photograph or an array; the generator places the crops after the first."""
    path = Path(spec)
    suffix = path.suffix.lower()
    if suffix in IMAGE_SUFFIXES:
        values = _load_image(path, workload_input, batch, generator)
        return LoadedInput(values, f"photograph {path.name}")
    if suffix in (".npy", ".npz"):
        raw = read_npy(path) if suffix == ".npy" else _only_array(path)
        values = _fit(path, raw, workload_input, batch)
        return LoadedInput(values, f"array file {path.name}")
    known = ", ".join((*IMAGE_SUFFIXES, ".npy", ".npz"))
    raise DataError(
        f"{str(spec)!r} is no input: give a file that ends in one of {known},"
        f" or a distribution: {', '.join(DISTRIBUTIONS)}."
    )


def default_image() -> Path:
    """Return the photograph of Rear Admiral Grace Hopper in matplotlib's sample data.

    Matplotlib is found, not imported.

    Raises
    ------
    DataError
        If the installation of matplotlib lacks its sample data.
    """
    folder = installed_folder("matplotlib")
    if folder is not None and (folder / _PHOTOGRAPH).is_file():
        return folder / _PHOTOGRAPH
    raise DataError(
        "matplotlib's sample photograph, the default input, is not installed."
        " Name an image file, or use the distribution 'normal'."
    )


def _draw(name: str, shape: Shape, generator: np.random.Generator) -> Float32Array:
    if name == "normal":
        return generator.standard_normal(shape, dtype=np.float32)
    return generator.random(shape, dtype=np.float32)


def _only_array(path: Path) -> NDArray[Any]:
    """Return the array named ``input`` of an ``.npz`` file, or its only one."""
    arrays = read_npz(path)
    if "input" in arrays:
        return arrays["input"]
    if len(arrays) != 1:
        names = ", ".join(sorted(arrays)) or "none"
        raise DataError(
            f"{path} holds {len(arrays)} arrays ({names}); name one of them 'input', or keep one."
        )
    return next(iter(arrays.values()))


def _fit(where: Path | str, values: NDArray[Any], spec: InputSpec, batch: int) -> NDArray[Any]:
    """Return the first `batch` samples; a single sample may come without its batch axis."""
    sample = spec.shape
    if values.dtype.kind not in "fiub":
        raise DataError(f"{where} holds {values.dtype}; real numbers are needed.")
    if values.shape == sample:
        values = values[None]
    if values.shape[1:] != sample or values.ndim != 1 + len(sample):
        hint = ""
        if values.ndim >= 3 and (*values.shape[-2:], values.shape[-3]) == sample:
            hint = " Channels come last here: numpy.moveaxis(x, -3, -1) puts them there."
        raise DataError(
            f"{where} holds an array of shape {values.shape}; the network reads"
            f" (batch, {', '.join(map(str, sample))}).{hint}"
        )
    if len(values) < batch:
        raise DataError(f"{where} holds {len(values)} samples, fewer than the batch of {batch}.")
    if spec.vocabulary is not None:
        return _tokens(where, np.asarray(values[:batch], dtype=np.float64), spec.vocabulary)
    with np.errstate(over="ignore"):
        return _finite(where, np.ascontiguousarray(values[:batch], dtype=np.float32))


def _tokens(where: Path | str, values: NDArray[Any], vocabulary: int) -> NDArray[Any]:
    known = (values >= 0) & (values < vocabulary) & (values == np.floor(values))
    if not known.all():
        first = values[~known].flat[0]
        raise DataError(
            f"{where} holds the token {first:.17g}; tokens are whole numbers,"
            f" 0 to {vocabulary - 1}."
        )
    return np.ascontiguousarray(values)


def _finite(where: Path | str, values: Float32Array) -> Float32Array:
    count = count_nonfinite(values)
    if count:
        raise DataError(
            f"{where}: {count} of {values.size} numbers are NaN or infinite as float32;"
            " every result would be. Replace them."
        )
    return values


def _load_image(
    path: Path, spec: InputSpec, batch: int, generator: np.random.Generator
) -> Float32Array:
    """Return crops of one photograph: the middle first, then at random."""
    if spec.kind is not InputKind.IMAGE or spec.shape[2] not in (1, 3):
        raise DataError(
            f"{path} is a picture, and the network reads numbers of shape {spec.shape};"
            " give an .npy or .npz file, or a distribution: normal, uniform."
        )
    height, width, channels = spec.shape
    pixels = _decode(path, height, width, "RGB" if channels == 3 else "L")
    room_y, room_x = pixels.shape[0] - height, pixels.shape[1] - width
    places = [(room_y // 2, room_x // 2)]
    for _ in range(batch - 1):
        y, x = generator.integers((room_y + 1, room_x + 1))
        places.append((int(y), int(x)))
    crops = np.stack([pixels[y : y + height, x : x + width] for y, x in places])
    mean, std = _normalisation(spec, channels)
    scaled = crops.reshape(batch, height, width, channels) / 255.0
    return np.asarray((scaled - np.array(mean)) / np.array(std), dtype=np.float32)


def _normalisation(spec: InputSpec, channels: int) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return mean and standard deviation; ImageNet's for colours where none are given."""
    usual = channels == len(IMAGENET_MEAN)
    mean = spec.mean or (IMAGENET_MEAN if usual else (0.0,) * channels)
    std = spec.std or (IMAGENET_STD if usual else (1.0,) * channels)
    return mean, std


def _eight_bits(image: Picture) -> Picture:
    """Keep the upper byte of 16-bit grey levels, which Pillow would clip to white."""
    from PIL.Image import fromarray

    if not image.mode.startswith("I"):
        return image
    return fromarray((np.asarray(image) >> 8).astype(np.uint8))


def _decode(path: Path, height: int, width: int, mode: str) -> NDArray[np.uint8]:
    """Decode a photograph and resize it so that a crop keeps 224/256 of the tighter side."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    require_file(path, "a PNG or JPEG image")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            warnings.simplefilter("ignore", UserWarning)
            with Image.open(path, formats=("PNG", "JPEG")) as image:
                upright = _eight_bits(ImageOps.exif_transpose(image)).convert(mode)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        limit = cast(int, Image.MAX_IMAGE_PIXELS)
        raise DataError(
            f"{path} claims more than {limit:,} pixels and may be a decompression bomb;"
            " give a smaller image."
        ) from error
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError, EOFError) as error:
        raise DataError(
            f"{path} is not a readable PNG or JPEG image ({error}). Save it again, or give another."
        ) from error
    scale = max(height / upright.height, width / upright.width)
    scale *= RESIZE_NUMERATOR / RESIZE_DENOMINATOR
    size = (
        max(width, int(upright.width * scale)),
        max(height, int(upright.height * scale)),
    )
    resized = upright.resize(size, Image.Resampling.BILINEAR)
    return np.asarray(resized, dtype=np.uint8)
