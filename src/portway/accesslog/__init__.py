"""Who came: connections and refusals as records, and what records tell when they are put together. Pure.

The writing side makes a Record of what the kernel reports. The reading side takes lines (`lines`) in the order of time
(`order`), picks (`selection`) and tells (`report`); `top` tells what counters say of the last moments.
"""

from portway.accesslog.record import Door, Http, Party, PolicyRef, Record, ServiceRef

__all__ = ["Door", "Http", "Party", "PolicyRef", "Record", "ServiceRef"]
