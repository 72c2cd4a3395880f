"""The soak: users visit the example site while its workers, its Redis and its database fail.

``scripts/soak`` starts it. A run goes like this: ``run`` starts the ``provider``, Redis, a database
and the ``sites``. The ``users`` visit the sites and write each answer into the ``journal``.
Meanwhile the ``strikes`` kill processes and cut connections. At the end the ``verdict`` reads the
journal.

To add a step that users take, write a method in ``users`` and list it in ``STEPS``. To add a part
that is killed, write a class in ``strikes`` and list it in ``run``.
"""
