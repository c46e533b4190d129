"""Lets schemathesis loose on the API of a local stack; see .ci/fuzz-api."""

import json
import os
import random
import subprocess
import sys
import tempfile
import urllib.request

LEAST = 5000
PEOPLE = ["ann", "bob"]


def run(*arguments):
    """What a command prints; it has to work."""
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"`{' '.join(arguments)}` ended with {done.returncode}:\n{done.stderr}")
    return done.stdout.strip()


def call(api, token, method, path, body=None):
    """The answer of the API; it has to be a good one."""
    headers = {"authorization": f"Bearer {token}"}
    data = None
    if body is not None:
        headers["content-type"], data = "application/json", json.dumps(body).encode()
    request = urllib.request.Request(api + path, data=data, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def furnish(api, tokens):
    """Gives each person a profile, items and a group that the other one is in, so that there is something to find."""
    users = {name: call(api, token, "POST", "/user") for name, token in tokens.items()}
    for name, token in tokens.items():
        other = next(another for another in PEOPLE if another != name)
        for day in range(1, 4):
            fields = {"takenAt": f"2024-01-0{day}T08:00:00Z", "mgdl": 150 + 30 * day}
            call(api, token, "POST", "/user/data", {"type": "glucose", "fields": fields})
        group = call(api, token, "POST", "/groups", {"name": f"Group of {name}"})["id"]
        for whom, role in [(name, "consumer"), (name, "provider"), (other, "provider"), (other, "consumer")]:
            sent = {"userId": users[whom]["id"], "role": role}
            invitation = call(api, token, "POST", f"/groups/{group}/invitations", sent)["id"]
            # The other one's last invitation stays open.
            if (whom, role) != (other, "consumer"):
                call(api, tokens[whom], "POST", f"/groups/{group}/invitations/{invitation}/accept")


# Two people who must not see each other's things; what one made is not there for the other, so whether it is there at all
# is looked at with one person alone.
RUNS = [
    ('peers = ["ann", "bob"]', ["--exclude-checks", "ensure_resource_availability"]),
    ('user = "ann"', []),
]


def settings(folder, tokens, seed, who):
    """The files that tell schemathesis who there is and what to look at."""
    people = os.path.join(folder, "people.json")
    header = lambda token: [{"name": "Authorization", "value": f"Bearer {token}"}]
    auth = [{"name": name, "fixedHeaders": header(token)} for name, token in tokens.items()]
    with open(people, "w", encoding="utf-8") as file:
        json.dump({"auth": auth}, file)
    path = os.path.join(folder, "schemathesis.toml")
    with open(".ci/fuzz-api.toml", encoding="utf-8") as usual, open(path, "w", encoding="utf-8") as own:
        who = f"[auth.wfc]\npath = {json.dumps(people)}\n{who}"
        own.write(usual.read().replace("WHO", who).replace("SEED", str(seed)))
    return path


def description(folder, api):
    """The served description, without the header whose value a generator may repeat: the same key with another body is
    refused, and with the same body answered as before, also when what it made was deleted meanwhile. What it does is
    tested in lambdas/tests/api/idempotency.rs."""
    with urllib.request.urlopen(f"{api}/openapi.json", timeout=60) as answer:
        document = json.load(answer)
    for operations in document["paths"].values():
        for operation in operations.values():
            kept = [p for p in operation["parameters"] if not p["$ref"].endswith("/idempotencyKey")]
            operation["parameters"] = kept
    path = os.path.join(folder, "openapi.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(document, file)
    return path


def fuzz(schemathesis, api, tokens, seed, who, excluded):
    """Runs schemathesis once. Gives how many cases there were, and whether nothing was found."""
    examples = os.environ.get("FREEHOLD_EXAMPLES") or "60"
    with tempfile.TemporaryDirectory(dir=".freehold") as folder:
        report = os.path.join(folder, "report.json")
        arguments = ["--config-file", settings(folder, tokens, seed, who), "run", description(folder, api)]
        arguments += ["--url", api, "--checks", "all", *excluded, "--max-examples", examples, "--request-timeout", "60"]
        arguments += ["--report", "json", "--report-json-path", report, "--no-color"]
        done = subprocess.run([schemathesis, *arguments], check=False)
        with open(report, encoding="utf-8") as file:
            cases = json.load(file)["test_cases"]
    print(f"{cases['generated']} cases, {cases['with_failures']} failures, {cases['errored']} errors", flush=True)
    return cases["generated"], done.returncode == cases["with_failures"] == cases["errored"] == 0


def main():
    provision, schemathesis = sys.argv[1:3]
    seed = int(os.environ.get("FREEHOLD_SEED") or random.randrange(2**32))
    os.makedirs(".freehold", exist_ok=True)
    stack = ["--target", "local", "--file", ".ci/fuzz-api.yaml"]
    run(provision, "apply", "--yes", *stack)
    try:
        api = run(provision, "outputs", "apiUrl", *stack).rstrip("/")
        token = lambda name: run(provision, "token", "--user", f"{name}@example.org", *stack)
        tokens = {name: token(name) for name in PEOPLE}
        furnish(api, tokens)
        results = [fuzz(schemathesis, api, tokens, seed, *how) for how in RUNS]
    finally:
        if not os.environ.get("FREEHOLD_KEEP"):
            run(provision, "destroy", "--yes", "--confirm", "fuzzed", *stack)
    cases = sum(count for count, _ in results)
    good = all(clean for _, clean in results)
    print(f"{cases} cases in all, of which at least {LEAST} are wanted; seed {seed}: {'good' if good else 'failures'}")
    sys.exit(0 if good and cases >= LEAST else 1)


main()
