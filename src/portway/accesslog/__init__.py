"""Who came: connections and refusals as records, and what records tell when they are put together. Pure."""

from portway.accesslog.record import Door, Party, PolicyRef, Record, ServiceRef

__all__ = ["Door", "Party", "PolicyRef", "Record", "ServiceRef"]
