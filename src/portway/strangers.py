"""What our web servers log of clients that do not speak HTTP: a line, as of all bad input, and no traceback."""

import logging


class _InOneLine(logging.Filter):
    """aiohttp logs everything that goes wrong with its traceback; what the client did wrong is none of ours."""

    def filter(self, record: logging.LogRecord) -> bool:
        from aiohttp.http_exceptions import HttpProcessingError  # where it is needed, aiohttp is there

        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, HttpProcessingError):
            said = error.message.strip().partition("\n")[0]
            record.msg, record.args = "a client that speaks no HTTP: %d %s", (error.code, said)
            record.exc_info, record.levelno, record.levelname = None, logging.INFO, "INFO"
        return True


log = logging.getLogger("portway.http")
"""The `logger` of all our web servers."""
log.addFilter(_InOneLine())
