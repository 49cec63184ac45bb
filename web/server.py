"""The web server of one process: receives webhooks and processes them as they arrive."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, nullcontext
from functools import partial
from typing import Any, Final, cast

import uvicorn
from starlette.applications import Starlette
from starlette.routing import Mount

from app.wiring.needed_secrets import receives_webhooks
from app.wiring.settings import Settings
from campaigns.errors import Unavailable, UsageError
from campaigns.time.pace import Rate
from providers.registry import capabilities_of
from providers.settings import AccountSettings
from scheduler.clock.supervision import cancelled
from scheduler.receipts.inbox import keep_processing
from scheduler.sending.lanes import Account, open_account
from storage.database.engine import Engine
from web.monitoring.metrics import Limits, Metrics
from web.monitoring.watching import LIVE, METRICS, READY, watching_routes
from web.pages.guard import LOCAL_HOSTS
from web.protocol.connections import KEEP_ALIVE, Connection, Connections
from web.webhooks.ingress import HEALTH, create_app

BACKLOG: Final = 2048
LAST_ANSWERS: Final = 15
"""Seconds that requests under way have to end when the server stops."""
START_PATIENCE: Final = 30.0
WATCHED: Final = (HEALTH, METRICS, LIVE, READY)
"""Paths that are answered even when all connections are in use."""


@asynccontextmanager
async def serving(
    engine: Engine,
    settings: Settings,
    host: str,
    port: int,
    metrics: Metrics | None = None,
    *,
    pages: bool = False,
) -> AsyncIterator[str]:
    """Serve for as long as the context lasts; yields its address. Port 0 takes a free port. `pages`: those of the
    browser too.

    On leaving, requests under way are answered and their webhooks processed. Raises UsageError if the port cannot be
    used, or the pages would be open to a network without TLS.
    """
    if pages and (problem := pages_problem(settings, host)) is not None:
        raise problem
    arrived = asyncio.Event()
    with _listening(host, port) as listener:
        async with _accounts(settings.accounts) as accounts:
            app = create_app(engine, accounts, public_url=settings.public_url, stored=arrived.set)
            measured = metrics or open_metrics(engine, settings)
            app.router.routes += watching_routes(engine, measured, needs_runner=False)
            if pages:
                from web.api.app import PREFIX, api_app  # only where there are pages
                from web.api.docs_page import ROUTES
                from web.pages.app import pages_app

                site = pages_app(engine, settings, https_only=host not in LOCAL_HOSTS, more=ROUTES)
                app.router.routes += [
                    Mount(PREFIX, api_app(engine, settings, https_only=host not in LOCAL_HOSTS)),
                    Mount("/", site),
                ]
            async with (
                _processing(engine, accounts, arrived),
                _server(app, listener, settings),
                _compiling() if pages else nullcontext(),
            ):
                yield _address(listener, settings)


def pages_problem(settings: Settings, host: str) -> UsageError | None:
    """Why the pages may not be served at this host; None: they may."""
    if host in LOCAL_HOSTS or settings.certificate or settings.trusted_proxies:
        return None
    return UsageError(
        f"The pages would be open to the network without TLS at {host}.",
        hint="Put a proxy with TLS on this machine and leave out --host, or set certificate and key, or "
        "trusted_proxies, in [server] of drumbeat.toml.",
    )


@asynccontextmanager
async def watched(engine: Engine, metrics: Metrics, host: str, port: int) -> AsyncIterator[str]:
    """Serve the monitoring of a runner, clock or worker for as long as the context lasts; yields the address.

    Raises UsageError if the port cannot be used.
    """
    with _listening(host, port, "--metrics-port") as listener:
        app = Starlette(routes=watching_routes(engine, metrics, needs_runner=True))
        async with _server(app, listener):
            yield _address(listener)


def open_metrics(engine: Engine, settings: Settings) -> Metrics:
    """Measures for the lanes and accounts of the settings."""
    lanes, accounts, gaps = {}, {}, {}
    for name, account in settings.accounts.items():
        gaps[name] = capabilities_of(account.adapter).delay_between
        if account.rate is not None:
            accounts[name] = account.rate.per_second
        for sender in account.senders:
            limit = _tightest(sender.rate, account.rate)
            if limit is not None:
                lanes[f"{name}/{sender.name}"] = limit
    return Metrics(engine, Limits(lanes, accounts, gaps))


def _tightest(*rates: Rate | None) -> float | None:
    return min((rate.per_second for rate in rates if rate is not None), default=None)


@contextmanager
def _listening(host: str, port: int, option: str = "--port") -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=BACKLOG)
    except OSError as error:
        raise UsageError(
            f"Port {port} of {host} cannot be used: {error.strerror}.", hint=f"{option} 0"
        ) from error
    with listener:
        yield listener


def _address(listener: socket.socket, settings: Settings | None = None) -> str:
    host, port = listener.getsockname()[:2]
    scheme = "https" if settings and settings.certificate else "http"
    return f"{scheme}://[{host}]:{port}" if ":" in host else f"{scheme}://{host}:{port}"


@asynccontextmanager
async def _accounts(settings: Mapping[str, AccountSettings]) -> AsyncIterator[dict[str, Account]]:
    """The accounts whose providers send webhooks."""
    accounts = {
        name: open_account(name, account) for name, account in settings.items() if receives_webhooks(account)
    }
    try:
        yield accounts
    finally:
        for account in accounts.values():
            await account.http.aclose()


@asynccontextmanager
async def _processing(
    engine: Engine, accounts: Mapping[str, Account], arrived: asyncio.Event
) -> AsyncIterator[None]:
    stop = asyncio.Event()
    task = asyncio.create_task(keep_processing(engine, accounts, arrived, stop), name="inbox")
    try:
        yield
    finally:
        stop.set()
        arrived.set()
        await task


@asynccontextmanager
async def _compiling() -> AsyncIterator[None]:
    from web.look.environment import compile_templates  # only where there are pages

    task = asyncio.create_task(compile_templates(), name="templates")
    try:
        yield
    finally:
        await cancelled(task)


@asynccontextmanager
async def _server(
    app: Starlette, listener: socket.socket, settings: Settings | None = None
) -> AsyncIterator[None]:
    connections = Connections(WATCHED)
    certificate, key = settings.certificate if settings and settings.certificate else (None, None)
    config = uvicorn.Config(
        app,
        ssl_certfile=certificate,
        ssl_keyfile=key,
        forwarded_allow_ips=["127.0.0.1", "::1", *(settings.trusted_proxies if settings else ())],
        http=cast("type[asyncio.Protocol]", partial(Connection, connections)),
        ws="none",
        lifespan="on",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_keep_alive=int(KEEP_ALIVE),
        timeout_graceful_shutdown=LAST_ANSWERS,
    )
    server = _Server(config, connections)
    task = asyncio.create_task(server.serve(sockets=[listener]), name="web server")
    try:
        async with asyncio.timeout(START_PATIENCE):
            await server.tried.wait()
        if not server.started:
            raise Unavailable("The web server did not start; see the log.")
        yield
    finally:
        server.should_exit = True
        await task


class _Server(uvicorn.Server):
    """uvicorn that signals when it has started or failed to, and leaves process signals to its caller."""

    def __init__(self, config: uvicorn.Config, connections: Connections) -> None:
        super().__init__(config)
        self.tried = asyncio.Event()
        self._connections = connections

    async def on_tick(self, counter: int) -> bool:
        self._connections.sweep()
        return await super().on_tick(counter)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        try:
            await super().startup(sockets)
        finally:
            self.tried.set()

    def capture_signals(self) -> Any:
        return nullcontext()
