"""Prints "waiting", then the number of the first signal that comes, and ends with status 7."""

import signal
import sys

numbers = [signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1]
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
print("waiting", flush=True)
print("signal", int(signal.sigwait(numbers)), flush=True)
sys.exit(7)
