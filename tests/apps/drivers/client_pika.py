# SPDX-License-Identifier: Apache-2.0
"""pika: each thread consumes a queue of its own, of which the server tells how many do."""
import case

try:
    import pika
except ImportError as error:
    case.not_here(f'no module {error.name}')


class Pika(case.Client):
    packages = ('pika',)
    own = (pika.exceptions.AMQPError, pika.adapters.utils.connection_workflow.AMQPConnectorException)

    def open(self):
        self.at = case.service('AMQP', 'USER', 'PASSWORD')
        self.refusing, self.mute = case.refusing_port(), case.mute_port()
        self.observer = self.connect().channel()
        for number in range(case.COUNT):
            self.observer.queue_declare(f'gate-{number}')

    def connect(self, port=None, password=None, **more):
        return pika.BlockingConnection(pika.ConnectionParameters(
            self.at['host'], port or self.at['port'],
            credentials=pika.PlainCredentials(self.at['user'], password or self.at['password']), **more))

    def consume(self, queue, seconds=None):
        """The first message of a queue, or None when there is none for so long."""
        channel = self.connect().channel()
        _, _, body = next(channel.consume(queue, auto_ack=True, inactivity_timeout=seconds))
        return body and body.decode()

    def wait(self, number):
        return self.consume(f'gate-{number}')

    def in_flight(self):
        return sum(self.observer.queue_declare(f'gate-{number}', passive=True).method.consumer_count
                   for number in range(case.COUNT))

    def release(self):
        for number in range(case.COUNT):
            self.observer.basic_publish('', f'gate-{number}', f'answer-{number}'.encode())

    def failures(self):
        return {'refused': lambda: self.connect(self.refusing), 'password': lambda: self.connect(password='no'),
                'queue': lambda: self.consume('nothing')}

    def timeouts(self):
        return {'connect': lambda: self.connect(self.mute, socket_timeout=1, stack_timeout=1),
                'message': lambda: self.consume('gate-0', case.SOON)}

    def hanging(self):
        messages = self.connect().channel().consume('gate-1')
        return lambda: next(messages)

    def ping(self):
        self.connect().close()


if __name__ == '__main__':
    case.main(Pika)
