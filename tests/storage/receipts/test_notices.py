"""An account's notices come newest first; of its balance the last word is kept, and nothing else is forgotten."""

from __future__ import annotations

from decimal import Decimal

from campaigns.money.costs import Money
from storage.database.engine import Engine, reading, writing
from storage.receipts.inbox import NewNotice, add_notices
from storage.receipts.notices import LastBalance, NoticeRow, keep_balance, last_balance, newest_notices
from tests.support.campaigns import later


async def test_the_last_balance_of_each_account_is_kept(engine: Engine) -> None:
    async with writing(engine) as connection:
        assert await last_balance(connection, "ours") is None
        await keep_balance(connection, "ours", Money(Decimal("4990.5"), "XOF"), 499, later(1))
        await keep_balance(connection, "theirs", Money(Decimal(7), "EUR"), None, later(2))
        await keep_balance(connection, "ours", Money(Decimal(4980), "XOF"), 498, later(3))
    async with reading(engine) as connection:
        ours = LastBalance(Money(Decimal(4980), "XOF"), 498, later(3))
        assert await last_balance(connection, "ours") == ours
        theirs = LastBalance(Money(Decimal(7), "EUR"), None, later(2))
        assert await last_balance(connection, "theirs") == theirs


async def test_notices_come_newest_first_and_without_balances(engine: Engine) -> None:
    async with writing(engine) as connection:
        told = [NewNotice("quality", "spring_sale", f"word {number}", later(number)) for number in range(4)]
        await add_notices(connection, "ours", told)
        await add_notices(connection, "theirs", told[:1])
        await keep_balance(connection, "ours", Money(Decimal(1), "XOF"), None, later(9))
    async with reading(engine) as connection:
        found = await newest_notices(connection, ["ours"], 2)
        assert found == [
            NoticeRow("ours", "quality", "spring_sale", f"word {number}", later(number)) for number in (3, 2)
        ]
        assert len(await newest_notices(connection, ["ours", "theirs"], 9)) == 5
