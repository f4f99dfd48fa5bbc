"""The contract's 28 operations, a module a feature."""

from doorward.http.api import auth, email, email_otp, forgot_password, password, recovery_code, totp, two_fa
from doorward.http.operations import Operation

OPERATIONS: list[Operation] = [
    *auth.OPERATIONS,
    *two_fa.OPERATIONS,
    *email_otp.OPERATIONS,
    *totp.OPERATIONS,
    *recovery_code.OPERATIONS,
    *password.OPERATIONS,
    *email.OPERATIONS,
    *forgot_password.OPERATIONS,
]
