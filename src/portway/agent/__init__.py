"""A node's agent, kube-proxy's part: what the API server says becomes what the kernel does.

Words: a **Syncer** turns changes of objects into transactions; a **KernelTable** is `table inet portway` where the
agent runs. The table outlives the agent: a restart takes it over, and only `cleanup` removes it.
"""

from portway.agent.config import AgentConfig, LogConfig
from portway.agent.logfile import Retention
from portway.agent.nft import NftError, NftMissing
from portway.agent.run import cleanup, run

__all__ = ["AgentConfig", "LogConfig", "NftError", "NftMissing", "Retention", "cleanup", "run"]
