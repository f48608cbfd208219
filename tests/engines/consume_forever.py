"""A consumer process for test_kafka: prints one line per record, commits after each, until it is killed.

Usage: python consume_forever.py BOOTSTRAP TOPIC GROUP
"""

from __future__ import annotations

import asyncio
import sys

from aiokafka import AIOKafkaConsumer


async def main(bootstrap: str, topic: str, group: str) -> None:
    """Consume, print, commit."""
    consumer = AIOKafkaConsumer(
        topic,
        bootstrap_servers=bootstrap,
        group_id=group,
        enable_auto_commit=False,
        auto_offset_reset="earliest",
        session_timeout_ms=3000,
        heartbeat_interval_ms=500,
        metadata_max_age_ms=1000,
    )
    await consumer.start()
    async for record in consumer:
        sys.stdout.write(f"{record.partition} {record.offset} {record.value.decode()}\n")
        sys.stdout.flush()
        await consumer.commit()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
