# SPDX-License-Identifier: Apache-2.0
"""boto3: objects of S3, got from the stub, whose paths are buckets; one client for all threads."""
import case
import web

try:
    import boto3
    import botocore.config
    import botocore.exceptions
except ImportError as error:
    case.not_here(f'no module {error.name}')


class Boto3(web.Web):
    packages = ('boto3',)
    own = (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError)

    def open(self):
        super().open()
        self.client = self.make_client()

    def make_client(self, port=None, timeout=None):
        config = botocore.config.Config(
            retries={'max_attempts': 0}, read_timeout=timeout or 1000, max_pool_connections=case.COUNT,
            s3={'addressing_style': 'path'})
        return boto3.client('s3', endpoint_url=self.url('', port), region_name='nowhere', aws_access_key_id='key',
                            aws_secret_access_key='secret', config=config)

    def get(self, path, timeout=None, port=None):
        client = self.make_client(port, timeout) if timeout or port else self.client
        bucket, key = path.split('/')
        return client.get_object(Bucket=bucket, Key=key)['Body'].read().decode()

    def failures(self):
        return {'refused': lambda: self.get('some/thing', port=self.refusing),
                'status': lambda: self.get('status/403'), 'dropped': lambda: self.get('drop/it')}

    def timeouts(self):
        return {'answer': lambda: self.get('mute/it', timeout=case.SOON)}

    def hanging(self):
        self.ping()
        return lambda: self.get('mute/it')

    def ping(self):
        assert self.get('some/thing') == 'thing'


if __name__ == '__main__':
    case.main(Boto3)
