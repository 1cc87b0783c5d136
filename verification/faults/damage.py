"""Damage to bytes: files that were stored badly, replies that came over a bad line."""

import random


def damage(data: bytes, rng: random.Random) -> tuple[bytes, str]:
    """``data`` with something wrong, and what."""
    kinds = (
        "bit",
        "bit",
        "bit",
        "bits",
        "burst",
        "cut",
        "longer",
        "lost",
        "more",
        "zeros",
        "moved",
    )
    kind = rng.choice(kinds)
    at, length = rng.randrange(len(data)), rng.randint(1, min(64, len(data)))
    changed = bytearray(data)
    match kind:
        case "bit":
            changed[at] ^= 1 << rng.randrange(8)
        case "bits":
            for _ in range(rng.randint(2, 10)):
                changed[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        case "burst":
            changed[at : at + length] = rng.randbytes(len(changed[at : at + length]))
        case "cut":
            del changed[at:]
        case "longer":
            changed += rng.randbytes(length)
        case "lost":
            del changed[at : at + length]
        case "more":
            changed[at:at] = rng.randbytes(length)
        case "zeros":
            changed[at : at + length] = bytes(len(changed[at : at + length]))
        case "moved":
            part = changed[at : at + length]
            del changed[at : at + length]
            to = rng.randint(0, len(changed))
            changed[to:to] = part
    return bytes(changed), f"{kind} at {at}, {length} bytes"
