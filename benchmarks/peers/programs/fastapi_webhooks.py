"""A route that stores each webhook with one INSERT and answers: no signature, no limits, and nothing reads it later."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import asyncpg
import uvicorn
from fastapi import FastAPI, Request, Response

TABLE = "CREATE TABLE received (id bigserial PRIMARY KEY, at timestamptz NOT NULL DEFAULT now(), body bytea NOT NULL)"


@asynccontextmanager
async def lifespan(app: FastAPI) -> AsyncIterator[None]:
    async with asyncpg.create_pool(os.environ["PEER_URL"]) as pool:
        await pool.execute(TABLE)
        app.state.pool = pool
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/webhooks/{account}")
async def receive(account: str, request: Request) -> Response:
    await app.state.pool.execute("INSERT INTO received (body) VALUES ($1)", await request.body())
    return Response()


if __name__ == "__main__":
    uvicorn.run(app, port=int(sys.argv[1]), access_log=False, log_level="warning")
