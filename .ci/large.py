"""Measures `provision validate` on generated stacks; see .ci/large."""

import os
import subprocess
import sys
import tempfile
import time

MOST_MS, MOST_MB, RUNS = 500, 200, 5

HEAD = """\
version: 1
name: large
region: eu-west-1
dataTypes:
  glucose:
    time: takenAt
    fields:
      takenAt: { type: datetime, required: true }
      mgdl: { type: integer, required: true, unit: mg/dL, min: 0, max: 1000000 }
      device: { type: string, maxLength: 64 }
groups:
"""

GROUP = """\
  group{n}:
    description: the group with the number {n}
    owner: lead{n}@example.org
    rules:
      - types: [glucose]
        when: resource.mgdl > {bound}
        fields: [takenAt, mgdl]
        history: 90d
"""


def measured(provision, path):
    """Milliseconds until the end, milliseconds of the processor, and megabytes of one run."""
    begun = time.monotonic()
    child = subprocess.Popen([provision, "validate", "--file", path], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(child.pid, 0)
    took = (time.monotonic() - begun) * 1000
    child.returncode = os.waitstatus_to_exitcode(status)
    if child.returncode != 0:
        sys.exit(f"validate ended with {child.returncode}")
    return took, (usage.ru_utime + usage.ru_stime) * 1000, usage.ru_maxrss / 1024


def main():
    provision, groups = sys.argv[1], int(sys.argv[2])
    failed = False
    for what, bound in [("one rule for all", lambda _: 180), ("a rule for each", lambda n: n)]:
        with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
            file.write(HEAD)
            file.writelines(GROUP.format(n=n, bound=bound(n)) for n in range(groups))
            file.flush()
            runs = [measured(provision, file.name) for _ in range(RUNS)]
        wall, ms, mb = min(run[0] for run in runs), min(run[1] for run in runs), max(run[2] for run in runs)
        print(
            f"{groups} groups, {what}: {ms:.0f} ms of the processor (at most {MOST_MS}), {wall:.0f} ms in all, "
            f"{mb:.0f} MB (at most {MOST_MB})"
        )
        # It runs on one thread and waits for nothing, so on a quiet machine the two are the same.
        failed |= ms > MOST_MS or mb > MOST_MB
    sys.exit(1 if failed else 0)


main()
