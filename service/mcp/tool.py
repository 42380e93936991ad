"""A tool: a name, what it is for, what may be asked, and how that is answered by reading."""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

import anyio.to_thread
import httpx2
from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.types import ASGIApp

from service.client import ApiClient, answered
from service.mcp.fence import Found
from vocabulary.errors import RequestRefused

Read = Callable[[str, Mapping[str, Any]], Awaitable[Any]]
"""The JSON under a path of our API, for a query. There is no other verb."""


class Question(BaseModel):
    """What a tool may be asked; anything else is refused by name."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)


@dataclass(frozen=True, slots=True)
class Tool:
    """One thing that an agent may ask."""

    name: str
    description: str
    question: type[Question]
    answer: Callable[[Any, Read], Awaitable[Found]]

    def asked(self, arguments: Mapping[str, Any]) -> Question:
        """*arguments* as a question.

        Raises:
            RequestRefused: `arguments`, in one line that names the first mistake.
        """
        try:
            return self.question.model_validate(dict(arguments))
        except ValidationError as error:
            first = error.errors(include_input=False, include_url=False)[0]
            place = ".".join(str(part) for part in first["loc"]) or "arguments"
            known = ", ".join(self.question.model_json_schema(by_alias=True)["properties"])
            raise RequestRefused(
                "arguments", f"{self.name}: {place}: {first['msg']}; it takes {known}"
            ) from error


def over_network(client: ApiClient) -> Read:
    """Reads the API of a server elsewhere, as the command line does."""

    async def read(path: str, query: Mapping[str, Any]) -> Any:
        return await anyio.to_thread.run_sync(lambda: client.get(path, **query))

    return read


def within(app: ASGIApp, authorization: str) -> Read:
    """Reads the API *app* of this process, through its doors, with the caller's own token."""

    async def read(path: str, query: Mapping[str, Any]) -> Any:
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(
            transport=transport, base_url="http://127.0.0.1", trust_env=False
        ) as client:
            answer = await client.get(
                path,
                params={name: value for name, value in query.items() if value is not None},
                headers={"Authorization": authorization} if authorization else {},
            )
        return answered(answer, path)

    return read
