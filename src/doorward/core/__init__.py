"""What everything else stands on; nothing here knows of users, tokens or HTTP."""
