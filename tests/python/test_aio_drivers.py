# SPDX-License-Identifier: Apache-2.0
# modes: preload
# needs: greenlet MySQLdb psycopg2
# services: mariadb postgres
# timeout: 120
"""C drivers called by aio.run(): hundreds of queries at once on the loop's one thread, and cancelled ones.

A query waits in the server for a lock that another connection holds, which
reads the server's list of what it is doing until all are there.
"""
import asyncio
import os
import sys
import unittest

import support
import test_drivers

sys.path[:0] = [os.path.join(support.ROOT, 'pyglue')]
from syncless import aio  # noqa: E402

COUNT = 200


@unittest.skipUnless(support.GREEN, 'aio needs the preload')
class Drivers(unittest.TestCase):
    def setUp(self):
        self.drivers = [test_drivers.MySQL(test_drivers.MySQLdb), test_drivers.Postgres()]
        for driver in self.drivers:
            driver.open()
            self.addCleanup(driver.close)

    async def until_in_flight(self, driver, count):
        while await aio.run(driver.in_flight) != count:
            await asyncio.sleep(0.005)

    def test_hundreds_at_once(self):
        async def body(driver):
            tasks = [asyncio.create_task(aio.run(driver.query, number)) for number in range(COUNT)]
            await self.until_in_flight(driver, COUNT)
            self.assertEqual(support.kernel_threads(), 1)
            driver.release()
            self.assertEqual(await asyncio.gather(*tasks),
                             [(number, f'answer-{number}') for number in range(COUNT)])
        for driver in self.drivers:
            asyncio.run(asyncio.wait_for(body(driver), support.HANG))

    def test_cancelled(self):
        """The awaits end at once, the others' queries are not concerned."""
        async def body(driver):
            tasks = [asyncio.create_task(aio.run(driver.query, number)) for number in range(10)]
            await self.until_in_flight(driver, 10)
            for task in tasks[:5]:
                task.cancel()
            ended = await asyncio.gather(*tasks[:5], return_exceptions=True)
            self.assertEqual([type(error) for error in ended], [asyncio.CancelledError] * 5)
            self.assertFalse(any(task.done() for task in tasks[5:]))
            driver.release()
            self.assertEqual(await asyncio.gather(*tasks[5:]),
                             [(number, f'answer-{number}') for number in range(5, 10)])
        for driver in self.drivers:
            asyncio.run(asyncio.wait_for(body(driver), support.HANG))


if __name__ == '__main__':
    support.main()
