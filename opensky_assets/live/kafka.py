"""Kafka as a sink: an idempotent producer, whose answers are waited for."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from opensky_assets.live.polls import Poll, read_flights
from opensky_assets.live.sinks import SinkError
from opensky_assets.live.topics import FILTERED, FLIGHTS, STATES, TOPICS, Filter, Message, flight_message, state_message
from opensky_assets.settings import KafkaSettings

if TYPE_CHECKING:
    from confluent_kafka import KafkaError
    from confluent_kafka.admin import AdminClient

logger = logging.getLogger(__name__)

CONNECT_S = 15.0
END_S = 30.0
"""For so long a program that is to end waits for the answers that are missing."""


def client_options(kafka: KafkaSettings) -> dict[str, Any]:
    """Options of librdkafka for all clients."""
    options: dict[str, Any] = {
        "bootstrap.servers": kafka.brokers,
        "client.id": "opensky-assets",
        "security.protocol": kafka.security,
    }
    if kafka.security.startswith("SASL") and kafka.password:
        options |= {
            "sasl.mechanism": kafka.sasl_mechanism,
            "sasl.username": kafka.user,
            "sasl.password": kafka.password.get_secret_value(),
        }
    files = {
        "ssl.ca.location": kafka.ca,
        "ssl.certificate.location": kafka.certificate,
        "ssl.key.location": kafka.key,
        "ssl.key.password": kafka.key_password.get_secret_value() if kafka.key_password else "",
    }
    return options | {name: value for name, value in files.items() if value}


class KafkaSink:
    """Each state in `opensky-states`, those that pass the filter in `opensky_filtered_flights` too, each flight in
    `opensky-flights`; the key is the aircraft's address, so that its messages stay in order.

    Every message is acknowledged before the next poll is asked for. While no broker can be reached it waits: the
    producer repeats what it sent, and brokers take each message once.
    """

    def __init__(
        self,
        kafka: KafkaSettings,
        condition: str,
        is_stopped: Callable[[], bool] = lambda: False,
        report: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Raises `SinkError` where the cluster cannot be used, `SettingsError` for a wrong filter."""
        from confluent_kafka import KafkaException, Producer
        from confluent_kafka.admin import AdminClient

        self._prefix, self._filter = kafka.topic_prefix, Filter(condition)
        self._is_stopped, self._report = is_stopped, report
        self._trouble = ""
        self._refused: list[str] = []
        options = client_options(kafka) | {"error_cb": self._note, "logger": _silent()}
        try:
            _make_topics(AdminClient(options), [self._prefix + topic for topic in TOPICS], kafka, self)
            self._producer = Producer(
                options
                | {
                    "enable.idempotence": True,
                    "compression.type": "zstd",
                    "linger.ms": 20,
                    # No message is given up: one that waits is waited for, and the next poll with it.
                    "message.timeout.ms": 0,
                    "queue.buffering.max.messages": 200_000,
                }
            )
        except KafkaException as error:
            raise SinkError(f"OPENSKY_KAFKA_…: {_text(error)}") from None

    @property
    def trouble(self) -> str:
        """What the client said last about its connections."""
        return self._trouble

    def put_poll(self, poll: Poll) -> None:
        messages = [state_message(state, poll) for state in poll.states]
        passes = self._filter.keeps(poll.states)
        self._send(STATES, messages)
        self._send(FILTERED, (message for message, keep in zip(messages, passes, strict=True) if keep))
        self._wait_for_answers()

    def put_flights(self, key: str, answer: bytes) -> None:
        self._send(FLIGHTS, map(flight_message, read_flights(answer)))
        self._wait_for_answers()

    def close(self) -> None:
        if left := self._producer.flush(END_S):
            raise SinkError(f"{left:,} messages are not confirmed by Kafka ({self._trouble or 'no broker answers'})")

    def _send(self, topic: str, messages: Iterable[Message]) -> None:
        for message in messages:
            while True:
                try:
                    self._producer.produce(
                        self._prefix + topic,
                        message.value,
                        message.key,
                        headers=message.headers,
                        on_delivery=self._delivered,
                    )
                    break
                except BufferError:  # the queue is full
                    self._poll(1.0)
            self._producer.poll(0)

    def _wait_for_answers(self) -> None:
        self._trouble = ""
        reported_at = time.monotonic()
        while len(self._producer) and not self._refused:
            self._poll(0.1)
            if time.monotonic() - reported_at > CONNECT_S:
                reported_at = time.monotonic()
                self._report(f"{len(self._producer):,} messages wait for Kafka ({self._trouble or 'no answer yet'})")
        if self._refused:
            raise SinkError(f"Kafka refuses a message: {self._refused[0]}")

    def _poll(self, seconds: float) -> None:
        self._producer.poll(seconds)
        if self._is_stopped() and len(self._producer):
            self.close()

    def _delivered(self, error: KafkaError | None, message: Any) -> None:
        if error is not None:
            self._refused.append(f"{message.topic()}: {error.str()}")

    def _note(self, error: KafkaError) -> None:
        self._trouble = error.str()


def _make_topics(admin: AdminClient, topics: list[str], kafka: KafkaSettings, sink: KafkaSink) -> None:
    """Make the topics that are not there, as the cluster makes topics. Raises `SinkError`."""
    from confluent_kafka import KafkaError, KafkaException
    from confluent_kafka.cimpl import NewTopic

    try:
        there = admin.list_topics(timeout=CONNECT_S).topics
    except KafkaException as error:
        raise SinkError(
            f"no broker of OPENSKY_KAFKA_BROKERS={kafka.brokers} can be used ({sink.trouble or _text(error)}): check "
            "the addresses, OPENSKY_KAFKA_SECURITY, certificates, user and password"
        ) from None
    missing = [topic for topic in topics if topic not in there]
    wanted = [NewTopic(topic, num_partitions=-1, replication_factor=-1) for topic in missing]
    for topic, future in (admin.create_topics(wanted) if wanted else {}).items():
        try:
            future.result(CONNECT_S)
        except KafkaException as error:
            if error.args[0].code() != KafkaError.TOPIC_ALREADY_EXISTS:
                raise SinkError(
                    f"the topic {topic} is not there and cannot be made ({_text(error)}): make it, or give the user "
                    "the right to"
                ) from None


def _text(error: Exception) -> str:
    first = error.args[0] if error.args else error
    return str(first.str() if hasattr(first, "str") else first)


def _silent() -> logging.Logger:
    """Takes librdkafka's own lines: what matters of them comes as errors."""
    silent = logging.getLogger(f"{__name__}.librdkafka")
    silent.propagate = False
    silent.addHandler(logging.NullHandler())
    return silent
