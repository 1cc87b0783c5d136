"""Image file: a compiled program with its weights, and the manifest that describes them.

::

    offset  bytes
    0       8      magic "RESARRAY"
    8       4      format version
    12      4      CRC-32 of everything from offset 16 on
    16      8      configuration hash (`Config.hash`)
    24      4      length of the manifest
    28      4      reserved, 0
    32      8      length of the payload
    40      ...    manifest: UTF-8 JSON
    ...            payload: the bytes of memory offsets [0, length): program, then weights

Manifest (byte offsets are relative to MEM_BASE)::

    model, config {...}, batch
    digest       {graph, structure, weights}: SHA-256 of the integer graph that it was compiled from
    program      {addr, count}
    mem_size     bytes of memory that a run needs
    write_base   first byte that a run writes: everything below is the payload and the inputs
    inputs       [{image, addr, layout, scale, zero_point}]           one per image of the batch
    outputs      [name]: the tensors that the network returns, that with the logits first
    tensors      [{name, layer, image, addr, layout, scale, zero_point}]   every tensor stored
    layers       [{name, op, shape [C, H, W], method, macs, bytes_read, bytes_written,
                   predicted_cycles, tensor}]                  in the order of the profile marks
    pixels       {mean [C], std [C], classes [name]}              optional: from pictures to inputs

`resarray.spec.manifest` checks it.
"""

import json
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

from .config import Config
from .errors import ResarrayError
from .files import write_atomic
from .manifest import check_manifest
from .schema import SchemaError, parse_json

MAGIC = b"RESARRAY"
# 2: the manifest has the graph's digest. 3: and all outputs; instruction set 3. 4: and the layers'
# methods; instruction set 4.
VERSION = 4
# A layer's method; behind the first one may stand why.
DIRECT, WINOGRAD = "direct", "Winograd"
_HEADER = struct.Struct("<8sIIQIIQ")


@dataclass(frozen=True)
class Image:
    """A program image in memory."""

    config_hash: int
    manifest: dict
    payload: bytes

    @property
    def config(self) -> Config:
        return Config(**self.manifest["config"])


def encode(image: Image) -> bytes:
    """The file of ``image``."""
    manifest = json.dumps(image.manifest).encode()
    body = manifest + image.payload
    sizes = struct.pack("<QIIQ", image.config_hash, len(manifest), 0, len(image.payload))
    crc = zlib.crc32(body, zlib.crc32(sizes))
    header = _HEADER.pack(
        MAGIC, VERSION, crc, image.config_hash, len(manifest), 0, len(image.payload)
    )
    return header + body


def save(image: Image, path: Path) -> None:
    """Write ``image`` to ``path``, whole or not at all."""
    write_atomic(path, encode(image))


def load(path: Path, config: Config | None = None) -> Image:
    """Read and check an image; ``config``: the accelerator that is to run it.

    `ResarrayError` for an unreadable, foreign, truncated or corrupt file, another format version,
    another configuration, or a manifest that the compiler does not write.
    """
    try:
        data = Path(path).read_bytes()
    except OSError as error:
        raise ResarrayError(
            f"cannot read image '{path}': {error.strerror}; compile one with 'resarray compile'"
        ) from error
    if len(data) < _HEADER.size or data[:8] != MAGIC:
        raise ResarrayError(
            f"'{path}' is not a resarray image (it does not begin with {MAGIC.decode()}): "
            "compile one with 'resarray compile'"
        )
    _, version, crc, config_hash, manifest_len, _, payload_len = _HEADER.unpack_from(data)
    if version != VERSION:
        raise ResarrayError(
            f"image '{path}' has format version {version}, this resarray reads {VERSION}: "
            "compile it again"
        )
    if len(data) != _HEADER.size + manifest_len + payload_len:
        raise ResarrayError(
            f"image '{path}' is {len(data)} bytes long, its header says "
            f"{_HEADER.size + manifest_len + payload_len}: it is truncated or extended; "
            "compile it again"
        )
    if zlib.crc32(data[16:]) != crc:
        raise ResarrayError(f"image '{path}' is corrupt (CRC mismatch): compile it again")
    if config is not None and config_hash != config.hash:
        raise ResarrayError(
            f"image '{path}' was compiled for configuration {config_hash:016x}, the accelerator "
            f"is '{config.name}' ({config.hash:016x}): compile it for that preset"
        )
    start = _HEADER.size
    try:
        manifest = parse_json(data[start : start + manifest_len])
        check_manifest(manifest, config_hash, payload_len)
    except (ValueError, SchemaError) as error:
        raise ResarrayError(
            f"image '{path}' has a damaged manifest: {error}: compile it again"
        ) from error
    return Image(config_hash, manifest, data[start + manifest_len :])
