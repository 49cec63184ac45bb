"""Ways to reach people: a signed webhook, or any service that apprise knows."""
