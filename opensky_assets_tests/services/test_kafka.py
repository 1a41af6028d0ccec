"""Polls and flights through a real Kafka: nothing lost, nothing doubled, also where the broker dies."""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from opensky_assets.live.kafka import KafkaSink, client_options
from opensky_assets.live.polls import Poll, read_poll
from opensky_assets.live.replayer import replay
from opensky_assets.live.schedule import SystemClock
from opensky_assets.live.sinks import SinkError
from opensky_assets.live.topics import FILTERED, FLIGHTS, STATES
from opensky_assets.settings import KafkaSettings, load_settings
from opensky_assets.storage.objects import LocalStore
from opensky_assets_tests.commands import SHARED_DATA, Place, needs_shared_data
from opensky_assets_tests.services.conftest import free_port
from opensky_assets_tests.services.kafka import Broker

pytestmark = pytest.mark.services

DEFAULT = load_settings().live.filter


def read_topic(kafka: KafkaSettings, topic: str) -> list[Any]:
    """All messages of a topic, by partition and offset."""
    from confluent_kafka import Consumer, TopicPartition

    consumer = Consumer(client_options(kafka) | {"group.id": "test", "enable.auto.commit": False})
    try:
        name = kafka.topic_prefix + topic
        partitions = consumer.list_topics(name, timeout=30).topics[name].partitions
        ends = {p: consumer.get_watermark_offsets(TopicPartition(name, p), timeout=30)[1] for p in partitions}
        consumer.assign([TopicPartition(name, partition, 0) for partition in partitions])
        found: list[Any] = []
        until = time.monotonic() + 120
        while len(found) < sum(ends.values()) and time.monotonic() < until:
            for message in consumer.consume(10_000, timeout=1):
                assert message.error() is None
                found.append(message)
        return sorted(found, key=lambda message: (message.partition(), message.offset()))
    finally:
        consumer.close()


def poll_of(time: int, count: int) -> Poll:
    """An answer with so many aircraft."""
    known = [None, "X", time, time, 1.0, 1.0, 1.0, False, 1.0, 1.0, 0.0, None, 1.0, None, False, 0]
    states = [[f"{at:06x}", *known] for at in range(count)]
    return read_poll(json.dumps({"time": time, "states": states}).encode(), "alps")


@needs_shared_data
def test_all_recorded_polls_and_flights_come_back(kafka: Broker) -> None:
    settings = kafka.settings()
    sink = KafkaSink(settings, DEFAULT)
    done = replay(LocalStore(SHARED_DATA / "rest" / "poll"), sink, SystemClock(threading.Event()), None, print)
    sink.close()
    assert (done.polls, done.states, done.rejected, done.broken) == (260, 103_729, 0, {})

    messages = read_topic(settings, STATES)
    values = [json.loads(message.value()) for message in messages]
    headers = [dict(message.headers()) for message in messages]
    assert len(messages) == 103_729
    assert len({(v["icao24"], h["poll_time"]) for v, h in zip(values, headers, strict=True)}) == 103_729
    assert len({(v["icao24"], v["last_contact"]) for v in values}) == 98_313
    assert all(m.key().decode() == v["icao24"] for m, v in zip(messages, values, strict=True))
    of_aircraft: dict[bytes, set[int]] = {}
    for message in messages:
        of_aircraft.setdefault(message.key(), set()).add(message.partition())
    assert all(len(partitions) == 1 for partitions in of_aircraft.values())
    assert {h["region"] for h in headers} == {b"replay"} and {h["schema_version"] for h in headers} == {b"1"}

    kept = [v for v in values if not v["on_ground"] and v["longitude"] is not None and v["latitude"] is not None]
    filtered = [json.loads(message.value()) for message in read_topic(settings, FILTERED)]
    assert Counter(map(str, filtered)) == Counter(map(str, kept))
    flights = read_topic(settings, FLIGHTS)
    assert len(flights) == done.flights > 0
    assert all(b"callsign" not in message.value() for message in flights)


def test_a_broker_that_dies_and_comes_back_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it does not come back, a program that is to end says what was not delivered."""
    broker = Broker(tmp_path, free_port(2))
    broker.start()
    try:
        settings, said = broker.settings(), list[str]()
        sink = KafkaSink(settings, "false", report=said.append)
        sink.put_poll(poll_of(1, 1_000))
        broker.kill()
        restarted = threading.Timer(3, broker.start)
        restarted.start()
        for number in range(2, 12):
            sink.put_poll(poll_of(number, 1_000))
        restarted.join()
        sink.close()
        messages = read_topic(settings, STATES)
        pairs = Counter((m.key(), dict(m.headers())["poll_time"]) for m in messages)
        assert len(pairs) == len(messages) == 11_000
        assert read_topic(settings, FILTERED) == []

        monkeypatch.setattr("opensky_assets.live.kafka.END_S", 1.0)
        stopped = KafkaSink(settings, DEFAULT, is_stopped=lambda: True)
        broker.kill()
        with pytest.raises(SinkError, match="2,000 messages are not confirmed by Kafka"):
            stopped.put_poll(poll_of(1, 1_000))
    finally:
        broker.kill()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kafka_brokers": "127.0.0.1:9"}, "no broker of OPENSKY_KAFKA_BROKERS=127.0.0.1:9 can be used"),
        (
            {"kafka_security": "SASL_PLAINTEXT", "kafka_user": "u", "kafka_password": "a-secret"},
            "check the addresses, OPENSKY_KAFKA_SECURITY",
        ),
        ({"kafka_security": "SSL", "kafka_ca": "/nowhere.pem"}, "OPENSKY_KAFKA_"),
    ],
)
def test_a_cluster_that_cannot_be_used_is_one_line(
    kafka: Broker, options: dict[str, str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("opensky_assets.live.kafka.CONNECT_S", 3.0)
    with pytest.raises(SinkError, match=message) as failure:
        KafkaSink(kafka.settings(**options), DEFAULT)
    assert "\n" not in str(failure.value) and "a-secret" not in str(failure.value)


@needs_shared_data
def test_the_command_replays_into_topics(kafka: Broker, tmp_path: Path) -> None:
    place, prefix = Place(tmp_path / "bucket", tmp_path), "command-"
    folder = tmp_path / "recorded" / "states"
    folder.mkdir(parents=True)
    for path in sorted((SHARED_DATA / "rest" / "poll" / "states").glob("*/*"))[:3]:
        (folder / path.name).write_bytes(path.read_bytes())
    environment = {"OPENSKY_KAFKA_BROKERS": kafka.address, "OPENSKY_KAFKA_TOPIC_PREFIX": prefix}
    done = place.run("collect", "--replay", "recorded", "--speed", "max", **environment)
    assert done.returncode == 0 and "3 polls with" in done.stdout, done.stdout
    count = int(done.stdout.split("3 polls with ")[1].split()[0].replace(",", ""))
    assert len(read_topic(kafka.settings(kafka_topic_prefix=prefix), STATES)) == count > 0
