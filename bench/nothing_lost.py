"""Kill processes of a console under load, round after round, and count the alerts: none is lost, and none is stored twice.

    python -m bench.nothing_lost [--rounds 100] [--postgresql | --everything]

Each round kills -9 a worker, the web process, the broker or a process of PostgreSQL, in turn, while alerts are posted.
The kill comes once enough alerts were answered since the last kill, at any later moment at which the process would
start again at once. After the kill of one of its processes, PostgreSQL ends all others and recovers from its log on the
disk. A sender repeats a request without an answer or with a 503. At the end, the events answered with 2xx equal the
alerts, each with one event and in one incident. With `--everything`, all surroundings of two consoles fail in turn
(`bench.drill`).
"""

from __future__ import annotations

import argparse
import contextlib
import random
import tempfile
import threading
import time
from collections import Counter
from functools import partial
from pathlib import Path

from bench import drill
from supervisor.supervisor import QUICK_DEATH
from tests import postgres
from tests.running_console import RunningConsole, eventually
from tests.senders import crash, kill, post, stored

VICTIMS = {"worker": "--queues correlation", "web": "uvicorn", "broker": "valkey-server"}
SENDERS = 8
TAKEN = 50  # alerts between two kills
UNAVAILABLE = (0, 503)  # 0: no answer
AT_LEAST_SECONDS = QUICK_DEATH / len(VICTIMS)
AT_MOST_SECONDS = AT_LEAST_SECONDS + 0.5


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=100)
    parser.add_argument("--postgresql", action="store_true", help="instead of the embedded SQLite")
    parser.add_argument("--everything", action="store_true", help="every fault that bench.drill knows, on PostgreSQL")
    options = parser.parse_args()
    if options.everything:
        drill.run(options.rounds)
        return
    with contextlib.ExitStack() as stack:
        data = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-nothing-lost-")))
        settings = {"CONSOLE_EVENTS_PER_MINUTE": "0"}
        if options.postgresql:
            settings["DATABASE_URL"] = stack.enter_context(postgres.running(extra=()))
        console = stack.enter_context(RunningConsole(data, settings=settings))
        token, app_key = (
            console.manage("create_org_token", "kill", "--all-app-keys"),
            console.manage("create_app_key", "kill"),
        )
        answered = [Counter[int]() for _ in range(SENDERS)]  # of each sender, 0: none
        is_over = threading.Event()

        def send(place: int) -> None:
            number = 0
            while not is_over.is_set():
                alert = {"app_key": app_key, "status": "critical", "host": f"host-{place}-{number}", "check": "c"}
                while (status := post(console, token, alert)) in UNAVAILABLE:
                    answered[place][status] += 1
                    time.sleep(0.05)
                answered[place][status] += 1
                number += 1
                time.sleep(0.01)

        def taken() -> int:
            return sum(each[201] + each[204] for each in answered)

        def has_taken(count: int) -> bool:
            return taken() >= count

        senders = [threading.Thread(target=send, args=(place,), daemon=True) for place in range(SENDERS)]
        for sender in senders:
            sender.start()
        killed: Counter[str] = Counter()
        victims = [*VICTIMS, *(["database"] if options.postgresql else [])]
        for number in range(options.rounds):
            name = victims[number % len(victims)]
            eventually(partial(has_taken, taken() + TAKEN), f"{TAKEN} more alerts were taken")
            if name in VICTIMS:
                eventually(partial(console.process_of, VICTIMS[name]), f"{name} was back")
            time.sleep(random.uniform(AT_LEAST_SECONDS, AT_MOST_SECONDS))
            if name in VICTIMS:
                kill(console, VICTIMS[name])
            else:
                crash(settings["DATABASE_URL"])
            killed[name] += 1
        is_over.set()
        for sender in senders:
            sender.join()
        eventually(lambda: console.status("/login") == 200, "the web process was back")
        eventually(lambda: all(is_correlated for *_, is_correlated in stored(console)), "all alerts were correlated")
        rows = stored(console)
    print(f"killed: {', '.join(f'{name} {times} times' for name, times in killed.items())}")
    print(f"answers: {dict(sum(answered, Counter()))} (0: none; the sender tried again)")
    print(f"answered with 2xx {taken():,} = alerts {len(rows):,}: {taken() == len(rows)}")
    print(f"with other than one event: {sum(events != 1 for _, events, *_ in rows)}")
    print(f"without an incident: {sum(incident is None for _, _, incident, _ in rows)}")
    print(
        f"incidents {len({incident for _, _, incident, _ in rows}):,}, of one host each: {len({host for host, *_ in rows}) == len(rows)}"
    )


if __name__ == "__main__":
    main()
