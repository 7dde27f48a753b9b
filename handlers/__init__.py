"""All that runs in Lambda.

In the order of the data: ``sqs`` and ``kinesis`` unwrap a ``record``, ``pipeline`` names the stages, ``decode`` makes
a Live Event of it, ``validate`` checks it against its schema, ``route`` makes its items (with ``keys``, ``ids``,
``instants`` and ``storable``), ``fold`` keeps the newest of each, ``write`` writes them (by ``dynamodb``). ``fates``
says what may become of a record, ``drift`` how an event differs from the catalogue, ``violations`` what is wrong with
it, ``rejected`` makes the item of one that is refused, and ``mask`` takes secrets out of URLs. Beside them stand what
a function has from its start (``function``, ``settings``, ``catalogue``), its ``deadline`` and its ``effort``, and
what it reports (``observe``, ``bugs``).
"""
