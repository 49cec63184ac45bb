"""Celery on Redis: a task a message, acknowledged after it was sent, its result kept."""

from __future__ import annotations

import os
import sys

import requests
from bodies import HEADERS, body, message_id
from celery import Celery
from requests.adapters import HTTPAdapter

URL = os.environ["PEER_URL"]
app = Celery("peer", broker=URL, backend=URL)
app.conf.update(task_acks_late=True, worker_prefetch_multiplier=1, broker_connection_retry_on_startup=True)
session = requests.Session()
session.mount("http://", HTTPAdapter(pool_connections=1, pool_maxsize=100))


@app.task(name="send")
def send(number: int) -> str:
    answer = session.post(os.environ["PEER_ADDRESS"], data=body(number), headers=HEADERS, timeout=30)
    answer.raise_for_status()
    return message_id(answer.content)


if __name__ == "__main__":
    if sys.argv[1] == "fill":
        with app.producer_pool.acquire(block=True) as producer:
            for number in range(int(sys.argv[3])):
                send.apply_async((number,), producer=producer)
    else:
        app.worker_main(
            ["worker", "--pool=threads", "--concurrency=100", "--loglevel=ERROR", "--without-gossip"]
        )
