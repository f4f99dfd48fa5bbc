"""The administrators' console below `/admin`: the account pages' machinery over what `administration` does."""

from typing import Any

import falcon

from doorward.env import Env
from doorward.http.arrivals import Arrivals
from doorward.http.clients import ClientAddresses
from doorward.http.console import acts, health, mails, new_user, user, users
from doorward.http.pages.page import Page

PAGES: dict[str, type[Page]] = {
    "": health.HealthPage,
    "/users": users.Users,
    "/users/create": new_user.Create,
    "/users/invite": new_user.Invite,
    "/users/{user_id}": user.UserPage,
    "/users/{user_id}/disable": acts.Disable,
    "/users/{user_id}/enable": acts.Enable,
    "/users/{user_id}/delete": acts.Delete,
    "/users/{user_id}/end-sessions": acts.EndSessions,
    "/users/{user_id}/sessions/{session_id}/end": acts.EndSession,
    "/users/{user_id}/reset-factors": acts.ResetFactors,
    "/users/{user_id}/end-waits": acts.EndWaits,
    "/users/{user_id}/set-address": acts.SetAddress,
    "/users/{user_id}/invite-again": acts.InviteAgain,
    "/users/{user_id}/withdraw-invitation": acts.Withdraw,
    "/mails": mails.Mails,
    "/mails/{mail_id}/send-again": mails.SendAgain,
}
"""By path below /admin."""


def add_routes(app: falcon.App[Any, Any], env: Env, addresses: ClientAddresses, arrivals: Arrivals) -> None:
    for path, page in PAGES.items():
        app.add_route(f"/admin{path}", page(env, addresses, arrivals))
