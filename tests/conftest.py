"""Settings of every test process."""

import os

# One thread per test process: tests run side by side, and sums in another order end in other bits.
os.environ.setdefault("OMP_NUM_THREADS", "1")
