"""Access codes: twelve characters that name nobody, with a check character that catches every single typing slip.

Eleven characters are random (55 bits), the twelfth checks them. The alphabet is Crockford's base 32, which has no I, L,
O and U; what people type for those is read as what they meant.
"""

from typing import Final, NewType

ALPHABET: Final = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
RANDOM_LENGTH: Final = 11
LENGTH: Final = RANDOM_LENGTH + 1
GROUP: Final = 4

AccessCode = NewType("AccessCode", str)
"""Twelve characters of ALPHABET, the last of which checks the others."""

_MEANT: Final = str.maketrans({"I": "1", "L": "1", "O": "0", "U": "V"})
_CYRILLIC: Final = str.maketrans("АВСЕНКМРТХ", "ABCEHKMPTX")
_VALUE: Final = {sign: value for value, sign in enumerate(ALPHABET)}


def code_of(number: int) -> AccessCode:
    """The code of the lowest 55 bits of a random number."""
    body = "".join(ALPHABET[number >> 5 * place & 31] for place in range(RANDOM_LENGTH))
    return AccessCode(body + check_character(body))


def check_character(body: str) -> str:
    """The Luhn mod 32 check character: it changes with any one character and with most swaps of neighbours."""
    total = 0
    for position, sign in enumerate(reversed(body)):
        value = _VALUE[sign] * (2 if position % 2 == 0 else 1)
        total += value // 32 + value % 32
    return ALPHABET[-total % 32]


def read_code(typed: str) -> AccessCode | None:
    """The code a person typed or followed, forgiving case, spaces, hyphens and look-alikes; None if it can't be one."""
    if len(typed) > 60:
        return None
    signs = "".join(sign for sign in typed.upper() if sign.isalnum())
    signs = signs.translate(_CYRILLIC).translate(_MEANT)
    if len(signs) != LENGTH or any(sign not in _VALUE for sign in signs):
        return None
    return AccessCode(signs) if check_character(signs[:-1]) == signs[-1] else None


def shown(code: AccessCode) -> str:
    """The code in groups of four, as it is printed: 7K3M-Q9TX-2FHW."""
    return "-".join(code[start : start + GROUP] for start in range(0, LENGTH, GROUP))
