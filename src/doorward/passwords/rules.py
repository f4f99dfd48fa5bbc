"""What a new password must have. It is compared exactly, never trimmed or cut."""

from doorward.core.errors import BadInput

SHORTEST = 8
LONGEST = 256


def require_strong(password: str) -> None:
    """Raises BadInput with the first rule that the password breaks."""
    rules = (
        (any("A" <= c <= "Z" for c in password), "one uppercase character"),
        (any("a" <= c <= "z" for c in password), "one lowercase character"),
        (any("0" <= c <= "9" for c in password), "one digit"),
        (len(password) >= SHORTEST, f"{SHORTEST} characters"),
    )
    for kept, rule in rules:
        if not kept:
            raise BadInput(f"Password must contain at least {rule}")
    if len(password) > LONGEST:
        raise BadInput(f"Password must contain at most {LONGEST} characters")
