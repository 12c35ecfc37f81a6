"""Z85: keys as text, 5 characters for 4 bytes (RFC 32). Pure."""

from __future__ import annotations

_CHARACTERS = (
    "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:+=^!/*?&<>()[]{}@%$#"
)
_BASE = len(_CHARACTERS)
_VALUES = {character: value for value, character in enumerate(_CHARACTERS)}
_GROUP_BYTES, _GROUP_CHARACTERS = 4, 5


def z85_encode(data: bytes) -> str:
    """Bytes as text.

    Raises:
        ValueError: their number is no multiple of 4.
    """
    if len(data) % _GROUP_BYTES:
        raise ValueError(f"Z85 is for multiples of {_GROUP_BYTES} bytes, not {len(data)}")
    text: list[str] = []
    for start in range(0, len(data), _GROUP_BYTES):
        number = int.from_bytes(data[start : start + _GROUP_BYTES], "big")
        group = []
        for _ in range(_GROUP_CHARACTERS):
            number, value = divmod(number, _BASE)
            group.append(_CHARACTERS[value])
        text += reversed(group)
    return "".join(text)


def z85_decode(text: str) -> bytes:
    """What a text stands for.

    Raises:
        ValueError: it is no Z85; the error has nothing of it, for it may be a secret.
    """
    if len(text) % _GROUP_CHARACTERS:
        raise ValueError(f"Z85 has a multiple of {_GROUP_CHARACTERS} characters, not {len(text)}")
    data = []
    for start in range(0, len(text), _GROUP_CHARACTERS):
        number = 0
        for character in text[start : start + _GROUP_CHARACTERS]:
            value = _VALUES.get(character)
            if value is None:
                raise ValueError("a character that Z85 does not have")
            number = number * _BASE + value
        if number >> 32:
            raise ValueError("five characters that stand for more than 4 bytes")
        data.append(number.to_bytes(_GROUP_BYTES, "big"))
    return b"".join(data)
