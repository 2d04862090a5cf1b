/* SPDX-License-Identifier: Apache-2.0
 *
 * C++: thread_local objects are made anew in each thread and destroyed in it, before its join returns,
 * whether it ends by return or by pthread_exit; std::thread, std::async, call_once, condition_variable and exceptions
 * that are in flight while other threads run.
 */
#include "test.h"
#include <atomic>
#include <condition_variable>
#include <future>
#include <mutex>
#include <sched.h>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

static std::atomic<int> made, destroyed;

struct Local {
	std::string text = "fresh";
	pthread_t owner = pthread_self();

	Local() { made++; }
	~Local()
	{
		CHECK(pthread_equal(owner, pthread_self()));
		destroyed++;
	}
};

static thread_local Local local;
static thread_local int number = 7;

static void use_local()
{
	CHECK(local.text == "fresh");
	CHECK_EQ(number, 7);
	local.text = "used";
	number = 8;
	sched_yield();
	CHECK(local.text == "used");
}

static void *exits(void *arg)
{
	use_local();
	pthread_exit(arg);
}

static void thrower(int n)
{
	try {
		throw std::runtime_error(std::to_string(n));
	} catch (const std::runtime_error &e) {
		sched_yield(); /* another thread's exception is caught meanwhile */
		CHECK(std::to_string(n) == e.what());
		try {
			throw;
		} catch (const std::exception &inner) {
			CHECK(std::to_string(n) == inner.what());
		}
	}
	CHECK(!std::uncaught_exceptions());
}

static void conditions()
{
	std::mutex m;
	std::condition_variable c;
	bool ready = false;
	std::thread t([&] {
		std::lock_guard<std::mutex> hold(m);
		ready = true;
		c.notify_all();
	});
	std::unique_lock<std::mutex> lock(m);

	c.wait(lock, [&] { return ready; });
	CHECK(!c.wait_for(lock, std::chrono::milliseconds(5), [] { return false; }));
	lock.unlock();
	t.join();
}

int main()
{
	std::vector<std::thread> threads;
	std::once_flag once;
	int runs = 0;

	for (int i = 0; i < 20; i++)
		threads.emplace_back([&, i] {
			use_local();
			thrower(i);
			std::call_once(once, [&] { runs++; });
		});
	for (auto &t : threads)
		t.join();
	CHECK_EQ(runs, 1);
	CHECK_EQ(made, 20);
	CHECK_EQ(destroyed, 20);
	CHECK_EQ(pthread_join(start(exits, nullptr), nullptr), 0);
	CHECK_EQ(destroyed, 21);
	conditions();
	auto failing = std::async(std::launch::async, []() -> int { throw std::logic_error("carried"); });
	try {
		failing.get();
		CHECK(!"an exception came through");
	} catch (const std::logic_error &e) {
		CHECK(std::string("carried") == e.what());
	}
	CHECK_EQ(std::async(std::launch::async, [] { return 6 * 7; }).get(), 42);
	return 0;
}
