"""Passwords that everybody thinks of, by rule: made of a few pieces such as words, years, keyboard walks and repeats.

`Summer2024!`, `P@ssw0rd123`, `1qaz2wsx` and `Aaaaaaa1` are three pieces or fewer. A piece is a word of `words.py`
or of the caller's, written as it is or with signs for letters; three or more neighbours on a keyboard or in the
alphabet, either way; a sign three times or more; up to four digits; or one other letter. What is neither letter nor
digit costs nothing, and a password that repeats itself counts once.
"""

import re
import unicodedata

from doorward.passwords.words import WORDS

FEW_PIECES = 3
LONGEST_LOOKED_AT = 64
SHORTEST_WALK = 3
SHORTEST_OWN_WORD = 3
MOST_DIGITS = 4
SIGNS = str.maketrans("@4031!$578", "aaoeiisstb")
SIGNS_WITH_L = str.maketrans("@403!$5781", "aaoeisstbl")
ROWS = (
    "1234567890",
    "qwertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "qwertzuiop",
    "yxcvbnm",
    "azertyuiop",
    "qsdfghjklm",
    "wxcvbn",
)
COLUMNS = ("1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p", "1q2w3e4r5t6y7u8i9o0p", "qazwsxedcrfvtgbyhnujmikolp")
WALKS = tuple(
    walk for line in (*ROWS, *COLUMNS, "abcdefghijklmnopqrstuvwxyz", "0123456789") for walk in (line, line[::-1])
)
LONGEST_WORD = 16


def words_of(*texts: str) -> frozenset[str]:
    """The words of names, addresses and URLs that count as one's own."""
    found = {word for text in texts for word in re.split(r"[^\w]+|_", _plain(text)) if len(word) >= SHORTEST_OWN_WORD}
    return frozenset(found - {"http", "https", "www", "com", "org", "net", "localhost"})


def is_common(password: str, own: frozenset[str]) -> bool:
    """Whether it is made of a few pieces, words of one's own among them."""
    text = "".join(sign for sign in _plain(password[:LONGEST_LOOKED_AT]) if sign.isalnum() or ord(sign) in SIGNS)
    text = text[: (text + text).find(text, 1)] if text else text
    if len(password) > LONGEST_LOOKED_AT:
        return False
    own = frozenset(word for word in own if word not in WORDS)
    return min(_pieces(text, text.translate(signs), own) for signs in (SIGNS, SIGNS_WITH_L)) <= FEW_PIECES


def _plain(text: str) -> str:
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    return "".join(sign for sign in decomposed if not unicodedata.combining(sign))


def _pieces(raw: str, spelled: str, own: frozenset[str]) -> int:
    """The fewest pieces that the text is made of; `spelled` is the same with letters for signs."""
    fewest = [0]
    for end in range(1, len(raw) + 1):
        single = 1 if raw[end - 1].isalnum() else 0
        best = fewest[end - 1] + single
        for start in range(max(0, end - max(LONGEST_WORD, *map(len, own), 0)), end - 1):
            if fewest[start] + 1 < best and _is_piece(raw[start:end], spelled[start:end], own):
                best = fewest[start] + 1
        fewest.append(best)
    return fewest[-1]


def _is_piece(raw: str, spelled: str, own: frozenset[str]) -> bool:
    if spelled in WORDS or spelled in own or raw in own:
        return True
    if len(raw) <= MOST_DIGITS and raw.isdecimal():
        return True
    return len(raw) >= SHORTEST_WALK and (len(set(raw)) == 1 or any(raw in walk for walk in WALKS))
