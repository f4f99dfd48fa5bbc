"""Bodies, and types of their fields, that several operations have. Lengths are in Unicode characters."""

from typing import Annotated

import msgspec

Name = Annotated[str, msgspec.Meta(max_length=256)]
Password = Annotated[str, msgspec.Meta(max_length=256)]
Code = Annotated[str, msgspec.Meta(min_length=6, max_length=6)]


class Address(msgspec.Struct):
    email: str


class Otp(msgspec.Struct):
    otp: Code
