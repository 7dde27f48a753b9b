"""Objects in the bucket: the archive of what came, and objects that are processed as a third source.

``line`` says what a line of an object is, ``writer`` writes the archive's object of a batch, ``reader`` reads an object
back line by line, ``message`` says what names an object, ``result`` how one ended, and ``bucket`` is S3.
docs/archive.md is the contract with the programs that read or write these objects.
"""
