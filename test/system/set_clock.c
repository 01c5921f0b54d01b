// Copyright 2026 improv_ros maintainers
// SPDX-License-Identifier: Apache-2.0

// Preloaded, it puts a process's system clock ahead by the nanoseconds in the file $CLOCK_AHEAD,
// which may change at any moment, as if somebody set the clock. Every other clock stays true.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define SECOND 1000000000LL

// The function that this library's own stands before.
#define REAL(name) \
  static __typeof__(name)* real; \
  if (!real) real = (__typeof__(name)*)dlsym(RTLD_NEXT, #name)

static int64_t ahead(void) {
  static volatile int64_t* shared;
  if (!shared) {
    int file = open(getenv("CLOCK_AHEAD"), O_RDONLY);
    shared = mmap(NULL, sizeof *shared, PROT_READ, MAP_SHARED, file, 0);
    close(file);
  }
  return *shared;
}

static int64_t count(const struct timespec* time) { return time->tv_sec * SECOND + time->tv_nsec; }

static struct timespec spec(int64_t time) {
  return (struct timespec){.tv_sec = time / SECOND, .tv_nsec = time % SECOND};
}

static int64_t now(void) {
  struct timespec time;
  clock_gettime(CLOCK_REALTIME, &time);
  return count(&time);
}

int clock_gettime(clockid_t clock, struct timespec* time) {
  REAL(clock_gettime);
  int result = real(clock, time);
  if (!result && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE))
    *time = spec(count(time) + ahead());
  return result;
}

int gettimeofday(struct timeval* restrict time, void* restrict zone) {
  (void)zone;
  int64_t microseconds = now() / 1000;
  time->tv_sec = microseconds / 1000000;
  time->tv_usec = microseconds % 1000000;
  return 0;
}

time_t time(time_t* where) {
  time_t seconds = now() / SECOND;
  if (where) *where = seconds;
  return seconds;
}

// Waits until a moment of the system's clock; what waits by another clock names a moment soon
// after 1970. A wait that is under way when the clock is set back lasts as much longer.
static int of_system_clock(const struct timespec* until) { return until->tv_sec > 1000000000; }

int pthread_cond_timedwait(pthread_cond_t* restrict condition, pthread_mutex_t* restrict mutex,
                           const struct timespec* restrict until) {
  REAL(pthread_cond_timedwait);
  if (!of_system_clock(until)) return real(condition, mutex, until);
  int result;
  do {
    struct timespec truth = spec(count(until) - ahead());
    result = real(condition, mutex, &truth);
  } while (result == ETIMEDOUT && now() < count(until));
  return result;
}

int pthread_mutex_timedlock(pthread_mutex_t* restrict mutex, const struct timespec* until) {
  REAL(pthread_mutex_timedlock);
  struct timespec truth = spec(count(until) - ahead());
  return real(mutex, &truth);
}

int sem_timedwait(sem_t* restrict semaphore, const struct timespec* restrict until) {
  REAL(sem_timedwait);
  struct timespec truth = spec(count(until) - ahead());
  return real(semaphore, of_system_clock(until) ? &truth : until);
}
