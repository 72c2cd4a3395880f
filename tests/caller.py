"""A process whose threads all call an API at once: ``python -m tests.caller JOB``.

It says when it is ready, begins when it is told to, and answers what each thread was answered.
"""

import json
import os
import sys
import threading

import django


def answers(user_id, count):
    from django.db import connections

    from django_dance.providers import providers

    heard, barrier = [], threading.Barrier(count)

    def call():
        session = providers["github"].session(user_id=user_id)
        barrier.wait()
        try:
            heard.append(session.get("/me").json()["token"])
        except Exception as error:
            heard.append(repr(error))
        finally:
            connections.close_all()

    threads = [threading.Thread(target=call) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return heard


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"
    django.setup()

    from django.test import override_settings

    job = json.loads(sys.argv[1])
    with override_settings(**job["settings"]):
        print("ready", flush=True)
        sys.stdin.readline()
        print(json.dumps(answers(job["user_id"], job["threads"])), flush=True)
