"""
LiteLLM's own hook for authentication, so that keys belong to tenants without a database.

Runs inside the gateway. The tenants of each key come from the file named in the environment; a
key that is not in it is refused, except the master key, which is an administrator.
"""

import importlib
import json
import os
from typing import Any

# Not import statements: type checkers run where LiteLLM is absent.
types: Any = importlib.import_module("litellm.proxy._types")

with open(os.environ["TIDEGAUGE_RIG_TENANTS"], encoding="utf-8") as handle:
    TENANTS: dict[str, dict[str, str]] = json.load(handle)


async def authenticate(request: Any, api_key: str) -> Any:
    del request
    if api_key == os.environ["LITELLM_MASTER_KEY"]:
        return types.UserAPIKeyAuth(api_key=api_key, user_role=types.LitellmUserRoles.PROXY_ADMIN)
    tenant = TENANTS.get(api_key)
    if tenant is None:
        raise types.ProxyException(
            message="unknown key", type=types.ProxyErrorTypes.auth_error, param="key", code=401
        )
    return types.UserAPIKeyAuth(api_key=api_key, **tenant)
