"""Measures `provision apply` from nothing and `plan` of an unchanged stack; see .ci/quick."""

import os
import subprocess
import sys
import tempfile
import time

PLANS, APPLIES = 5, 3
MOST_PLAN, MOST_APPLY = 1.5, 5.0


def run(provision, *arguments):
    """The seconds that a command takes; it has to work."""
    begun = time.monotonic()
    done = subprocess.run([provision, *arguments], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"`provision {' '.join(arguments)}` ended with {done.returncode}:\n{done.stderr}")
    return time.monotonic() - begun


def told(what, seconds, most):
    """Prints a measurement; whether it is good enough."""
    print(f"{what}: {min(seconds):.2f} to {max(seconds):.2f} s, at most {most} s wanted", flush=True)
    return min(seconds) < most


def main():
    provision = sys.argv[1]
    os.makedirs(".freehold", exist_ok=True)
    with tempfile.TemporaryDirectory(dir=".freehold") as folder:
        path = os.path.join(folder, "stack.yaml")
        with open("stack.yaml", encoding="utf-8") as usual, open(path, "w", encoding="utf-8") as own:
            text = usual.read().replace("\nname: freehold\n", "\nname: quick\n")
            own.write(text.replace("deletionProtection: true", "deletionProtection: false"))
        stack = ["--target", "local", "--file", path]
        # The emulator runs and the functions are built once this is done.
        run(provision, "apply", "--yes", *stack)
        applies = []
        for _ in range(APPLIES):
            run(provision, "destroy", "--yes", "--confirm", "quick", *stack)
            applies.append(run(provision, "apply", "--yes", *stack))
        plans = [run(provision, "plan", *stack) for _ in range(PLANS)]
        run(provision, "destroy", "--yes", "--confirm", "quick", *stack)
    good = [told("apply from nothing", applies, MOST_APPLY), told("plan of an unchanged stack", plans, MOST_PLAN)]
    sys.exit(0 if all(good) else 1)


main()
