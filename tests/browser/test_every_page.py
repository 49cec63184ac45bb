"""Every page, in both themes, on a desk and on a phone: no console message, no request that leaves the machine, nothing
that axe finds, no sideways scroll."""

from __future__ import annotations

import pytest

from tests.browser.conftest import Site, chromium, join, watched

pytestmark = [pytest.mark.browser, pytest.mark.long, pytest.mark.timeout(300)]

PAGES = (
    "/",
    "/campaigns",
    "/campaigns?state=running",
    "/campaigns?name=nothing",
    "/campaigns/spring-sale",
    "/campaigns/spring-sale/report",
    "/campaigns/spring-sale/pause",
    "/campaigns/spring-sale/retry",
    "/campaigns/spring-sale/doubts",
    "/campaigns/spring-sale/budget",
    "/campaigns/new",
    "/campaigns/drafts",
    "/campaigns/spring-sale/people",
    "/campaigns/spring-sale/people?state=rejected",
    "/campaigns/spring-sale/people?rule=hours&search=nobody",
    "/campaigns/spring-sale/people/+33639980305",
    "/contacts",
    "/contacts/import",
    "/contacts?search=an",
    "/contacts/+33639980305",
    "/contacts/+33639980305/erase",
    "/settings",
    "/settings/users",
    "/settings/keys",
    "/audit",
    "/senders",
    "/senders/workers",
    "/senders/webhooks",
    "/costs",
    "/templates",
)


async def test_every_page_is_sound(demonstrated: tuple[Site, str]) -> None:
    site, invitation = demonstrated
    async with chromium() as browser:
        async with watched(browser, site) as seen:
            await seen.judge("/login")
            await seen.judge(invitation)
            await join(seen, site, invitation)
            assert seen.faults == []
        async with watched(browser, site) as seen:
            for address in PAGES:
                await seen.judge(address)
            assert seen.faults == []
