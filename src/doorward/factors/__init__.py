"""Second factors: TOTP, mailed codes (email OTP) and recovery codes."""
