"""Why an object cannot be processed."""


class ObjectError(Exception):
    """An object, or the message that names it, cannot be processed as it is.

    ``code`` is a short fixed word for the log, the text says what is wrong, and what to do; neither contains anything
    of the message or the object but its key.
    """

    def __init__(self, code: str, text: str) -> None:
        super().__init__(text)
        self.code = code
