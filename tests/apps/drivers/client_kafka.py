# SPDX-License-Identifier: Apache-2.0
"""confluent-kafka: librdkafka, whose own mock of a cluster is the server.

Each thread has a consumer, all in one group, which has just a few partitions
more than members.  The group's coordinator deals these out, so when each
consumer has one, and no two the same, the server has counted them all in.
librdkafka has a handful of threads for each of them.
"""
import itertools
import sys

import case
import gate

try:
    import confluent_kafka
    import confluent_kafka.admin
except ImportError as error:
    case.not_here(f'no module {error.name}')

PARTITIONS = 4  # the mock gives so many to each topic
TOPICS = [f'gate-{number}' for number in range(-(-case.COUNT // PARTITIONS))]


class Kafka(case.Client):
    packages = ('confluent-kafka',)
    own = (confluent_kafka.KafkaException,)
    threads = 'rdk:'

    def open(self):
        self.peer = case.Peer('client_kafka.py', 'serve')
        self.refusing = case.refusing_port()
        self.dealt = {}

    def settings(self, port=None, **more):
        servers = f'127.0.0.1:{port}' if port else self.peer.addresses['servers']
        return {'bootstrap.servers': servers, 'log_level': 0, **more}

    def consumer(self, group, **more):
        # The mock now and then loses a member of a large group, until its session is over.
        return confluent_kafka.Consumer(self.settings(**{
            'group.id': group, 'auto.offset.reset': 'earliest', 'partition.assignment.strategy': 'roundrobin',
            'session.timeout.ms': 6000, 'heartbeat.interval.ms': 500, **more}))

    def wait(self, number):
        consumer = self.consumer('gate')

        def assigned(_, partitions):
            self.dealt[number] = [(partition.topic, partition.partition) for partition in partitions]
        consumer.subscribe(TOPICS, on_assign=assigned)
        while (message := consumer.poll(100)) is None or message.error():
            pass
        assert message.value().decode() == f'{message.topic()} {message.partition()}'
        return f'answer-{number}'

    def in_flight(self):
        dealt = list(self.dealt.values())
        is_even = len(set(sum(dealt, []))) == sum(map(len, dealt)) == PARTITIONS * len(TOPICS)
        return sum(map(bool, dealt)) if is_even else 0

    def release(self):
        producer = confluent_kafka.Producer(self.settings())
        for topic, partition in itertools.product(TOPICS, range(PARTITIONS)):
            producer.produce(topic, f'{topic} {partition}', partition=partition)
        assert producer.flush(case.ENOUGH) == 0

    def list_topics(self, port):
        admin = confluent_kafka.admin.AdminClient(self.settings(port))
        return admin.list_topics(timeout=case.SOON)

    def produced(self):
        producer, errors = confluent_kafka.Producer(self.settings(**{'message.timeout.ms': 30000})), []
        producer.produce(TOPICS[0], 'x', partition=77, on_delivery=lambda error, _: errors.append(error))
        producer.flush(case.ENOUGH)
        raise confluent_kafka.KafkaException(errors[0])

    def failures(self):
        return {'refused': lambda: self.list_topics(self.refusing), 'partition': self.produced,
                'setting': lambda: confluent_kafka.Producer({'no.such': '1'})}

    def timeouts(self):
        return {'poll': lambda: self.consumer('alone').poll(case.SOON),
                'metadata': lambda: self.list_topics(self.refusing)}

    def hanging(self):
        consumer = self.consumer('alone')
        consumer.subscribe(['nothing'])
        return lambda: consumer.poll()

    def ping(self):
        assert confluent_kafka.Producer(self.settings()).list_topics(timeout=case.ENOUGH).brokers


def serve():
    producer = confluent_kafka.Producer({'bootstrap.servers': 'mock', 'test.mock.num.brokers': 1, 'log_level': 0})
    brokers = producer.list_topics(timeout=case.ENOUGH).brokers.values()
    servers = ','.join(f'{broker.host}:{broker.port}' for broker in brokers)
    for topic in *TOPICS, 'nothing':
        producer.list_topics(topic, timeout=case.ENOUGH)  # which makes it
    gate.Gate().attend(servers=servers)


if __name__ == '__main__':
    if sys.argv[1] == 'serve':
        serve()
    case.main(Kafka)
