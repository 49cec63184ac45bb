"""The pages on a socket: beside the webhooks, by TLS, and never open to a network without it."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path

import httpx
import pytest
import trustme
from sqlalchemy.ext.asyncio import AsyncEngine

from app.wiring.settings import ServerSettings, Settings
from campaigns.errors import UsageError
from web.look.environment import WEB, environment
from web.server import serving


async def test_pages_webhooks_and_health_share_a_port(sqlite_engine: AsyncEngine) -> None:
    async with (
        serving(sqlite_engine, Settings("sqlite://"), "127.0.0.1", 0, pages=True) as address,
        httpx.AsyncClient(base_url=address) as client,
    ):
        assert "Log in" in (await client.get("/login")).text
        assert (await client.get("/healthz")).json() == {"status": "ok"}
        assert (await client.post("/webhooks/nothing")).status_code == 404
        assert (await client.get("/metrics")).status_code == 200


async def test_no_template_is_left_for_its_first_view_to_compile(sqlite_engine: AsyncEngine) -> None:
    environment.cache_clear()
    async with serving(sqlite_engine, Settings("sqlite://"), "127.0.0.1", 0, pages=True):
        [compiling] = [task for task in asyncio.all_tasks() if task.get_name() == "templates"]
        await compiling
    assert environment().cache is not None
    compiled = {name for _, name in environment().cache}
    assert compiled == {str(path.relative_to(WEB)) for path in WEB.rglob("*.html")}


async def test_without_being_asked_for_there_are_none(sqlite_engine: AsyncEngine) -> None:
    async with (
        serving(sqlite_engine, Settings("sqlite://"), "127.0.0.1", 0) as address,
        httpx.AsyncClient(base_url=address) as client,
    ):
        assert (await client.get("/login")).status_code == 404


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1"])
async def test_a_network_address_without_tls_is_refused(sqlite_engine: AsyncEngine, host: str) -> None:
    with pytest.raises(UsageError, match="without TLS") as refused:
        async with serving(sqlite_engine, Settings("sqlite://"), host, 0, pages=True):
            pass
    assert "trusted_proxies" in refused.value.hint


async def test_a_certificate_of_ones_own(sqlite_engine: AsyncEngine, tmp_path: Path) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    certificate.write_bytes(b"".join(part.bytes() for part in issued.cert_chain_pems))
    key.write_bytes(issued.private_key_pem.bytes())
    context = ssl.create_default_context()
    authority.configure_trust(context)
    settings = Settings("sqlite://", certificate=(certificate, key))
    async with serving(sqlite_engine, settings, "127.0.0.1", 0, pages=True) as address:
        assert address.startswith("https://")
        async with httpx.AsyncClient(base_url=address, verify=context) as client:
            assert "Log in" in (await client.get("/login")).text


@pytest.mark.parametrize(
    ("trusted", "headers", "status"),
    [
        (("127.0.0.1",), {"x-forwarded-proto": "https"}, 200),
        (("127.0.0.1",), {}, 403),
        (("192.0.2.9",), {"x-forwarded-proto": "https"}, 200),  # a proxy on this machine is trusted too
    ],
)
async def test_behind_a_proxy_only_https_is_answered(
    sqlite_engine: AsyncEngine, trusted: tuple[str, ...], headers: dict[str, str], status: int
) -> None:
    settings = Settings("sqlite://", trusted_proxies=trusted)
    async with serving(sqlite_engine, settings, "0.0.0.0", 0, pages=True) as address:
        port = address.rpartition(":")[2]
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}") as client:
            assert (await client.get("/login", headers=headers)).status_code == status


def test_certificate_and_key_go_together() -> None:
    with pytest.raises(ValueError, match="go together"):
        ServerSettings(certificate="only.pem")
