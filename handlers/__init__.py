"""All that runs in Lambda.

The modules in the order of the data: ``sqs`` and ``kinesis`` unwrap a record, ``pipeline`` names the
stages, ``decode`` makes a Live Event of it, ``validate`` checks it against its schema, ``route`` makes its
items, ``fold`` keeps the newest of each, ``write`` writes them. ``reject`` makes the item of what is refused.
"""
